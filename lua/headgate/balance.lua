--- The peer of a request whose route does not go round: by late answers, by requests in flight, or
-- by a hash.
-- What a request took is put back when it ends, so that whoever is in flight counts once.

local affinity = require("headgate.affinity")
local ewma = require("headgate.pickers.ewma")
local hash = require("headgate.pickers.hash")
local least_conn = require("headgate.pickers.least_conn")
local loads = require("headgate.loads")
local peers = require("headgate.peers")
local round_robin = require("headgate.pickers.round_robin")

local concat = table.concat
local find, match, sub = string.find, string.match, string.sub
local ipairs, max, random, tonumber = ipairs, math.max, math.random, tonumber
local ngx = ngx
local now = ngx.now
local md5 = ngx.md5_bin
local var = ngx.var

local _M = {}

-- The path is the profile's by now; the client's is its own as it was written.
local function written_path()
    local uri = var.request_uri
    local question = find(uri, "?", 1, true)
    return question and sub(uri, 1, question - 1) or uri
end

local function key_of(parts)
    local values, said = {}, false
    for i, part in ipairs(parts) do
        local name = part.variable
        local value = part.text
        if name == "uri" or name == "document_uri" then
            value = written_path()
        elseif name then
            value = var[name]
        end
        if name and value and value ~= "" then
            said = true
        end
        values[i] = value or ""
    end
    return said and concat(values) or nil
end

local function by_hash(way, backend, known, tried)
    local key = key_of(way.key)
    if not key then
        -- All that say nothing would meet at one peer.
        return round_robin.next(backend.picker, tried)
    end
    local ring = peers.ring_of(backend, md5)
    local load = way.bound
        and { bound = way.bound, total = known.held.total, states = known.states } or nil
    return hash.next(ring, md5(key), tried, load)
end

local function by_load(backend, known, barred)
    local load = loads.of(backend, known.states)
    return least_conn.next(backend.weights, barred, random(backend.count), loads.read, load)
end

local function put_back(taken)
    taken.state.in_flight = taken.state.in_flight - 1
    taken.held.total = taken.held.total - 1
    if taken.counted then
        loads.finish(taken.counted)
    end
end

local function by_session(ctx, way, backend, barred)
    local base = way.base
    local index = affinity.choose(ctx, way, backend, barred)
    if index then
        return base and _M.choose(ctx, base, backend, barred, index) or index
    end
    if base then
        index = _M.choose(ctx, base, backend, barred)
    else
        index = round_robin.next(backend.picker, barred)
    end
    if index then
        affinity.bind(ctx, way, backend, index)
    end
    return index
end

--- Picks a peer and counts the request there.
---@param ctx table of the request; `taken` is what it holds
---@param way headgate.balance
---@param backend table
---@param tried table<integer, boolean>?
---@param led integer? the peer that a session leads to: it is counted and not picked
---@return integer? index nil when every peer was tried
function _M.choose(ctx, way, backend, tried, led)
    if way.pin then
        return by_session(ctx, way, backend, tried)
    end
    local at = now()
    local taken = ctx.taken
    if taken then
        put_back(taken)
        ctx.taken = nil
        if taken.timed then
            -- It failed, perhaps quicker than any answer comes: it must not be the better for it.
            ewma.observe(taken.state, max(at - taken.at, 2 * taken.state.cost), at)
        end
    end
    local known = peers.of(backend, at)
    local index
    if led then
        index = led
    elseif way.key then
        index = by_hash(way, backend, known, tried)
    elseif way.by_load then
        index = by_load(backend, known, tried)
    else
        index = ewma.next(known.states, backend.weights, tried, at, random)
    end
    if index then
        local state, held = known.states[index], known.held
        state.in_flight = state.in_flight + 1
        held.total = held.total + 1
        ctx.taken = {
            state = state, held = held, at = at, timed = way.timed,
            counted = way.by_load and loads.begin(loads.of(backend, known.states), index),
        }
    end
    return index
end

--- Ends the count of a request, and takes in how long its answer took.
---@param taken table
function _M.done(taken)
    put_back(taken)
    if not taken.timed then
        return
    end
    local at = now()
    -- Of several tries the last one counts; the others were taken in when they failed.
    local seconds = tonumber(match(var.upstream_header_time or "", "([%d.]+)$"))
    if seconds then
        ewma.observe(taken.state, seconds, at)
    elseif ngx.status ~= 499 then
        ewma.observe(taken.state, max(at - taken.at, 2 * taken.state.cost), at)
    else
        -- The client did not wait for it: so long it took at least.
        ewma.observe(taken.state, max(at - taken.at, taken.state.cost), at)
    end
end

return _M
