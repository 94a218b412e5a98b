"""What a load is: its requests, its rate, its connections, TLS and addresses."""
