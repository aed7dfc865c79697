// An endpoint as the vendor's page describes it, on Node's own http server. Prints a line for each request.
const http = require("http");

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  const order = url.searchParams.get("order_id");
  const product = url.searchParams.get("product_id");
  console.log(JSON.stringify({
    method: request.method,
    url: request.url,
    headers: request.rawHeaders,
    event_type: url.searchParams.get("event_type"),
    order_id: order,
    product_id: product,
  }));
  response.statusCode = 200;
  response.end("OK");
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
