-- Asks for one path about orders, each of them once and with numbers that grow, or about a thousand products, in turn; prints
-- what came of it as one line of JSON.
local requests, place = {}, 0

-- As many as a round can store; a server that stores nothing gets them again.
local ORDERS = 150000
local PRODUCTS = 1000

function init(arguments)
  local path, traffic = arguments[1], arguments[2]
  if traffic == "products" then
    for number = 1, PRODUCTS do
      requests[number] = wrk.format("GET", path .. "?event_type=product.update&product_id=" .. number)
    end
  else
    local last = os.time() % 100000 * ORDERS
    for number = 1, ORDERS do
      requests[number] = wrk.format("GET", string.format("%s?event_type=order.new&order_id=%.0f", path, last + number))
    end
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
