-- One request over and over. Arguments: the API key ('' for none), the body, what is accepted (JSON). The figures are the last line, as JSON.
function init(args)
  wrk.method = "POST"
  wrk.body = args[2]
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Accept"] = args[3] or "application/json"
  wrk.headers["MCP-Protocol-Version"] = "2025-06-18"
  if args[1] ~= "" then wrk.headers["X-API-Key"] = args[1] end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
