-- A call under one key of a list after the other. Arguments: the body, a file with a key in each line.
local requests, number = {}, 0

function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["Accept"] = "application/json"
  wrk.headers["MCP-Protocol-Version"] = "2025-06-18"
  for key in io.lines(args[2]) do
    wrk.headers["X-API-Key"] = key
    requests[#requests + 1] = wrk.format(nil, nil, nil, args[1])
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
