-- Each line of the file is one header, "Name: value". wrk ... -- FILE METHOD random|once SEED
local requests, count, position, once = {}, 0, 0, false

function init(args)
   once = args[3] == "once"
   math.randomseed(tonumber(args[4]))
   for line in io.lines(args[1]) do
      local name, value = line:match("^([^:]+): (.*)$")
      count = count + 1
      requests[count] = wrk.format(args[2], nil, {[name] = value})
   end
end

function request()
   if not once then
      return requests[math.random(count)]
   end
   position = position + 1
   if position > count then
      wrk.thread:stop()
      return requests[count]
   end
   return requests[position]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\nJSON {"requests": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, ' ..
      '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
      summary.requests, summary.duration / 1e6, summary.bytes,
      latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
