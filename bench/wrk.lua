-- Asks for one path about a thousand different orders, in turn, and prints what came of it as one line of JSON.
local requests, place = {}, 0

function init(arguments)
  for number = 1, 1000 do
    requests[number] = wrk.format("GET", arguments[1] .. "?event_type=order.new&order_id=" .. number)
  end
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50": %d, "p99": %d}\n',
    summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
