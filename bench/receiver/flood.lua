-- Asks for one path again and again. Each connection rests between an answer and its next question, so that the whole has
-- a pace; prints what came of it as one line of JSON.
local question, rest

function init(arguments)
  question, rest = wrk.format("GET", arguments[1]), tonumber(arguments[2])
end

-- Anything between none of it and twice as much: connections that rest alike ask together again and again, in bursts.
function delay()
  return math.random(0, 2 * rest)
end

function request()
  return question
end

function done(summary)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "refused": %d, "broken": %d, "microseconds": %d}\n',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout, summary.duration))
end
