"""The JSON Schemas of the documents that Seatrial writes."""
