-- wrk prints neither p99.9 nor what its histogram holds; this prints both, in microseconds.
done = function(summary, latency, requests)
  io.write(string.format(
    '{"requests": %d, "p50_us": %d, "p99_us": %d, "p999_us": %d, "max_us": %d}\n',
    summary.requests, latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max
  ))
end
