-- A call with another key each time. Arguments: the body, the number of keys, the first of them. Their form is that of seeding.py.
local number, keys, body

function init(args)
  body, keys, number = args[1], tonumber(args[2]), tonumber(args[3])
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.headers["MCP-Protocol-Version"] = "2025-06-18"
end

function request()
  wrk.headers["X-API-Key"] = string.format("pg_%048x", number)
  number = (number + 1) % keys
  return wrk.format(nil, nil, nil, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
