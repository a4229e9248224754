-- For wrk: compares status and body of every answer with what is expected, and prints a JSON summary.
-- Arguments after "--": the expected body.

local threads = {}

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   expected = args[1]
   wrong = 0
   sample = ""
end

function response(status, headers, body)
   if status ~= 200 or body ~= expected then
      wrong = wrong + 1
      sample = status .. " " .. string.gsub(string.sub(body, 1, 60), "%c", " ")
   end
end

function done(summary, latency, requests)
   local wrong, sample = 0, ""
   for _, thread in ipairs(threads) do
      wrong = wrong + thread:get("wrong")
      sample = thread:get("sample")
   end
   local errors = summary.errors
   io.write(string.format(
      '\nSUMMARY {"requests": %d, "seconds": %f, "wrong": %d, "sample": %q, "broken": %d, ' ..
      '"p50": %f, "p99": %f, "max": %f}\n',
      summary.requests, summary.duration / 1e6, wrong, sample,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
