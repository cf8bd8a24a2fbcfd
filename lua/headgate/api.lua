--- The push API: HTTP on a unix socket, described in docs/dataplane-api.md.

local certificates = require("headgate.certificates")
local checked_peers = require("headgate.health.checked_peers")
local cjson = require("cjson").new()
local compile = require("headgate.compile")
local documents = require("headgate.documents")
local explain = require("headgate.explain")
local hits = require("headgate.metrics.hits")
local limits = require("headgate.limits")
local metrics = require("headgate.metrics")
local networks = require("headgate.networks")
local peer_report = require("headgate.health.peer_report")
local problems = require("headgate.problems")
local process = require("headgate.process")
local nginx_process = require("ngx.process")
local slow_start = require("headgate.health.slow_start")
local store = require("headgate.store")
local version = require("headgate.version")
local workers = require("headgate.workers")

local concat = table.concat
local encode = cjson.encode
local gmatch, lower, match, sub = string.gmatch, string.lower, string.match, string.sub
local ngx = ngx

local _M = { configuration = 0 }

local function send(status, text, content_type)
    ngx.status = status
    ngx.header["Content-Type"] = content_type or "application/json"
    ngx.header["Content-Length"] = #text + 1
    ngx.print(text, "\n")
    return ngx.exit(ngx.HTTP_OK)
end

local function fail(status, code, message)
    return send(status, encode({ code = code, message = message }))
end

-- cjson writes an empty list as {}, so lists are put together by hand.
local function list(items, write)
    local out = {}
    for i, item in ipairs(items) do
        out[i] = (write or encode)(item)
    end
    return "[" .. concat(out, ",") .. "]"
end

local function with_lists(object, lists)
    local text = encode(object)
    local out = {}
    if text ~= "{}" and text ~= "[]" then
        out[1] = sub(text, 2, -2)
    end
    for name, items in pairs(lists) do
        out[#out + 1] = encode(name) .. ":" .. list(items)
    end
    return "{" .. concat(out, ",") .. "}"
end

local function result_line(result, held, message)
    metrics.pushed(result)
    return encode({ result = result, held = held, message = message })
end

-- What only this side can tell: whether it can be decoded, and whether OpenSSL takes the PEM.
local function check_use(line)
    local ok, _, problem = pcall(compile[line.kind], line.value, line.key)
    if not ok then
        return nil, "value: cannot be compiled"
    end
    if problem and problem ~= compile.UNKNOWN_PROFILE and problem ~= compile.UNKNOWN_POLICY then
        return nil, problem
    end
    if line.kind == "certificate" then
        local pair, err = certificates.parse(line.value)
        if not pair then
            return nil, err
        end
        return certificates.check_pair(pair)
    end
    return true
end

-- What peers are new must be known when the document counts.
local function put_backend(line, text)
    local noted = slow_start.note(line, store.text)
    local result, held = store.put("backend", line.key, line.generation, text)
    if result ~= "applied" then
        slow_start.undo(line.key, noted)
    end
    return result, held
end

local function apply(text)
    local line, err = store.decode(text)
    if line == nil then
        return result_line("invalid", nil, "line: not JSON: " .. tostring(err))
    end
    local ok, problem = documents.check_line(line, store.null)
    if not ok then
        return result_line("invalid", nil, problem)
    end
    local result, held
    if line.value == store.null then
        result, held = store.delete(line.kind, line.key, line.generation)
    else
        ok, problem = check_use(line)
        if not ok then
            return result_line("invalid", nil, problem)
        end
        if line.kind == "backend" then
            result, held = put_backend(line, text)
        else
            result, held = store.put(line.kind, line.key, line.generation, text)
        end
    end
    return result_line(result, result == "stale" and held or nil)
end

local function body()
    ngx.req.read_body()
    local text = ngx.req.get_body_data()
    if text then
        return text
    end
    local path = ngx.req.get_body_file()
    local file = path and io.open(path, "rb")
    if not file then
        return ""
    end
    text = file:read("*a")
    file:close()
    return text
end

local function locked(work)
    local ok, err = store.lock(process.alive)
    if not ok then
        return fail(503, "busy", err)
    end
    local fine, result = pcall(work)
    store.unlock()
    if not fine then
        ngx.log(ngx.ERR, "push failed: ", result)
        return fail(500, "internal", "the push failed; see nginx's error log")
    end
    return send(200, result, "application/x-ndjson")
end

local function put_documents()
    local text = body()
    if #text > limits.body_bytes_max then
        return fail(413, "too-large", "more than " .. limits.body_bytes_max .. " bytes")
    end
    return locked(function()
        local out = {}
        for line in gmatch(text, "[^\n]+") do
            out[#out + 1] = apply(line)
        end
        return concat(out, "\n")
    end)
end

local function delete_document(kind, key)
    local ok, problem = documents.check_key(kind, key)
    if not ok then
        return fail(400, "invalid", problem)
    end
    local generation = tonumber(ngx.req.get_uri_args().generation)
    if not documents.is_generation(generation) then
        return fail(400, "invalid", "generation: give it as a parameter, a whole number")
    end
    return locked(function()
        local result, held = store.delete(kind, key, generation)
        return result_line(result, result == "stale" and held or nil)
    end)
end

-- What comes back of documents that hold secrets.
local shown = {
    certificate = function(value)
        return {
            fingerprint = value.fingerprint, names = value.names, not_after = value.not_after,
        }
    end,
    users = function(value)
        local count = 0
        for _ in pairs(value.users) do
            count = count + 1
        end
        return { count = count }
    end,
}

local function get_document(kind, key)
    local text = store.text(kind, key)
    if not text then
        return fail(404, "not-found", "no " .. kind .. " " .. key)
    end
    local show = shown[kind]
    if not show then
        return send(200, text)
    end
    local line = store.decode(text)
    return send(200, encode({
        kind = kind, key = key, generation = line.generation, schema = line.schema,
        value = show(line.value),
    }))
end

local function on_documents(method, rest)
    local kind, key = match(rest, "^/([^/]+)/(.+)$")
    if kind then
        if method == "DELETE" then
            return delete_document(kind, key)
        elseif method == "GET" then
            return get_document(kind, key)
        end
    elseif method == "GET" then
        return send(200, '{"documents":' .. list(store.list(match(rest, "^/([^/]+)$"))) .. "}")
    elseif method == "PUT" and rest == "" then
        return put_documents()
    end
    return fail(405, "method", "this address does not take " .. method)
end

local function state()
    local summary = store.summary()
    summary.schema = version.schema
    summary.version = version.version
    summary.worker = { pid = ngx.worker.pid(), configuration = _M.configuration }
    summary.master_pid = nginx_process.get_master_pid()
    return send(200, with_lists(summary, {
        workers = workers.list(process.alive),
        problems = problems.list(),
    }))
end

local function reload()
    local ok, err = process.reload(nginx_process.get_master_pid())
    if not ok then
        return fail(500, "internal", err)
    end
    return send(202, "{}")
end

-- "Name: value" of one or several arguments; nil where one is no header.
local function headers_of(written)
    local headers = {}
    for _, line in ipairs(type(written) == "table" and written or { written }) do
        local name, value = match(tostring(line), "^([%w_-]+): *(.-)$")
        if not name then
            return nil
        end
        headers[lower(name)] = value
    end
    return headers
end

local function on_explain()
    local args = ngx.req.get_uri_args()
    local host, path = args.host, args.path
    if type(host) ~= "string" or type(path) ~= "string" or sub(path, 1, 1) ~= "/" then
        return fail(400, "invalid", "give host and path, and scheme where it is https")
    end
    local client = args.client
    if client ~= nil and (type(client) ~= "string" or not networks.address(client)) then
        return fail(400, "invalid", "client: give an IPv4 or IPv6 address")
    end
    local headers = headers_of(args.header)
    if not headers then
        return fail(400, "invalid", "header: give it as Name: value")
    end
    local explanation = explain.explain(host, path, args.scheme or "http", client, headers)
    local peers = explanation.peers
    explanation.peers = nil
    return send(200, with_lists(explanation, { peers = peers }))
end

-- It is no document: it ends by itself, and no snapshot has it.
local function put_peers()
    local text = body()
    if #text > limits.body_bytes_max then
        return fail(413, "too-large", "more than " .. limits.body_bytes_max .. " bytes")
    end
    local out = {}
    for line in gmatch(text, "[^\n]+") do
        local result, problem = checked_peers.apply(line)
        out[#out + 1] = encode({ result = result, message = problem })
    end
    return send(200, concat(out, "\n"), "application/x-ndjson")
end

local function on_peers(key)
    local text = peer_report.backend(key)
    if not text then
        return fail(404, "not-found", "no backend " .. key)
    end
    return send(200, text)
end

-- Which routes are used: the last request of each, null where there was none.
local function routes()
    metrics.flush()
    metrics.drop_gone()
    return send(200, '{"routes":' .. list(store.list("route"), function(route)
        return encode({ route = route.key, last_request = hits.last(route.key) or cjson.null })
    end) .. "}")
end

local calls = {
    ["GET /v1/state"] = state,
    ["GET /v1/routes"] = routes,
    ["GET /v1/peers"] = function()
        return send(200, peer_report.troubled())
    end,
    ["PUT /v1/peers"] = put_peers,
    ["GET /v1/metrics"] = function()
        metrics.flush(true)
        return send(200, sub(metrics.text(), 1, -2), "text/plain; version=0.0.4")
    end,
    ["GET /v1/explain"] = on_explain,
    ["POST /v1/reload"] = reload,
}

--- Answers a request of the push socket.
function _M.serve()
    local method = ngx.req.get_method()
    local path = match(ngx.var.request_uri, "^[^?]*")
    local rest = match(path, "^/v1/documents(/?.*)$")
    if rest and (rest == "" or sub(rest, 1, 1) == "/") then
        return on_documents(method, ngx.unescape_uri(rest))
    end
    local key = method == "GET" and match(path, "^/v1/peers/(.+)$")
    if key then
        return on_peers(ngx.unescape_uri(key))
    end
    local call = calls[method .. " " .. path]
    if call then
        return call()
    end
    return fail(404, "not-found", "no such call: " .. method .. " " .. path)
end

return _M
