--- What the router would do with a request. Reads, changes nothing.

local guards = require("headgate.guards")
local health = require("headgate.health")
local hits = require("headgate.metrics.hits")
local networks = require("headgate.networks")
local paths = require("headgate.paths")
local request = require("headgate.request")
local split = require("headgate.split")
local store = require("headgate.store")

local _M = {}

--- Explains a request.
---@param host string as a client writes it
---@param path string as a client writes it, with or without query
---@param scheme string http or https
---@param client string? address of the client; without it the guards by address are left out
---@param headers table<string, string>? of the request, by name in lower case
---@return table explanation `peers` is a list even where it is empty
function _M.explain(host, path, scheme, client, headers)
    host = paths.host_of(host)
    local judged = paths.normalise(path)
    if not judged then
        return { action = "answer", status = 400, reason = "path leads above the root", peers = {} }
    end
    local as = { secure = scheme == "https", headers = headers }
    if client then
        as.client = networks.client(networks.address(client)) or false
    end
    local route, sent, backend, _, why = request.decide(host, judged, path, as)
    local held, how, matched, traced = request.trace(host, judged)
    local result = {
        host = held and held.id or nil,
        route = traced and traced.id or nil,
        alias = held and held.alias or nil,
        match = how,
        path = traced and traced.path or matched,
        last_request = traced and hits.last(traced.id) or nil,
        peers = {},
    }
    local filters = traced and traced.filters
    if filters then
        local asked = { host = host, path = judged, uri = path, client = as.client, as = as }
        result.note = guards.note(filters, asked)
    end
    if not route then
        result.status = sent
        result.action = (sent == 308 or sent == 302) and "redirect" or "answer"
        result.reason = backend
        local key = traced and traced.backend
        result.backend = key
        return result
    end
    result.action = "proxy"
    result.backend = backend.id
    result.uri = sent
    if traced.split then
        result.chosen_by = why
        result.shares = split.shares(traced)
    end
    local current = store.get(store.backend, backend.id) or backend
    local barred = health.barred(current)
    for i = 1, current.count do
        local name = current.addresses[i] .. ":" .. current.ports[i]
        result.peers[i] = name
        if barred and barred[i] then
            result.ejected = result.ejected or {}
            result.ejected[#result.ejected + 1] = name
        end
    end
    return result
end

return _M
