--- The default backend of a route: it answers in place of a backend that answers with some error,
-- or of one that is not there.
--
-- An error is nginx's own, because no peer answered, or one that a backend says, where a variant of
-- the profile intercepts it. Both go by the error pages of the profile to one named location, and
-- there the default backend is asked. (Left to Lua's header filter instead, an error would end its
-- connection, and the answer with it where the client reads slowly.)

local balance = require("headgate.balance")
local contexts = require("headgate.contexts")
local errors = require("headgate.filters.errors")
local health = require("headgate.health")
local store = require("headgate.store")

local ngx = ngx
local now = ngx.now
local var = ngx.var

local _M = {}

-- What nginx says where nobody else does; the same words as in its own locations.
local TEXTS = {
    [403] = "403 forbidden", [404] = "404 not found", [413] = "413 request body too large",
    [500] = "500 internal server error", [502] = "502 bad gateway",
    [503] = "503 service unavailable", [504] = "504 gateway timeout",
}

--- The backend that answers for a route, where it has peers.
---@param filter headgate.errors
---@param get fun(of: table, id: string): table?
---@return table? backend
function _M.backend(filter, get)
    local backend = get(store.backend, filter.backend)
    if backend and not backend.broken and backend.count > 0 then
        return backend
    end
end

-- The way to the default backend, in the place of the route: plain HTTP, in turn. The times are
-- those of an upgrade; all others are the configuration's.
local way = {
    jump = "/default-backend", tries = 3, retry_s = 0, connect_s = 5, send_s = 60, read_s = 60,
}

--- Makes a request one for the default backend of its route.
---@param ctx table of the request
---@param filter headgate.errors
---@param backend table
---@param code integer the error
---@param uri string to be sent
function _M.turn(ctx, filter, backend, code, uri)
    errors.tell(filter, ctx.route.label, code, var)
    ctx.errors = nil
    ctx.failed = code
    ctx.route, ctx.backend = way, backend
    ctx.tries, ctx.asked, ctx.index, ctx.probe, ctx.once = nil, nil, nil, nil, nil
    ctx.at = now()
    var.hg_target = backend.upstream .. uri
end

-- What the peers that were asked have in flight, and how they did, is told now: of one request only
-- the last try is seen in the end.
local function leave(ctx, status)
    if ctx.taken then
        balance.done(ctx.taken)
        ctx.taken = nil
    end
    if ctx.backend then
        health.done(ctx, status)
    end
end

-- Whether the default backend answers instead.
local function turns(ctx, status)
    local filter = ctx.errors
    local backend = filter and _M.backend(filter, store.get)
    if not backend then
        return false
    end
    leave(ctx, status)
    _M.turn(ctx, filter, backend, status, "/")
    return true
end

--- In the location of errors: goes on to the default backend, or answers.
function _M.failed()
    local ctx, status = contexts.recall() or ngx.ctx, ngx.status
    -- No session begins at a peer that does not answer it.
    ctx.pinned = nil
    if ctx.failed and not ctx.answers then
        ctx.answers = true
    elseif ctx.errors and ctx.errors.codes[status] and turns(ctx, status) then
        ctx.answers = true
    else
        status = ctx.failed or status
        ctx.unanswered = true
        ngx.status = status
        local text = (TEXTS[status] or status) .. "\n"
        ngx.header["Content-Type"] = "text/plain"
        ngx.header["Content-Length"] = #text
        ngx.print(text)
        return ngx.exit(200)
    end
    -- Else nginx would put the error's status over that of the answer.
    ngx.status = 200
end

return _M
