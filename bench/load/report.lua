-- For wrk: the request body's size is the script's one argument; the result is the last line, as JSON.

function init(args)
   local size = tonumber(args[1] or "0")
   if size > 0 then
      wrk.method = "POST"
      wrk.body = string.rep("u", size)
   end
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format(
      '\n{"answers": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}\n',
      summary.requests - e.status, summary.duration, latency:percentile(50), latency:percentile(99),
      e.connect + e.read + e.write + e.status + e.timeout))
end
