--- Session affinity: a cookie leads the requests of a session to one peer.
-- The cookie alone decides, so that it means the same in all workers and on all edges. Its value
-- is "<key>.<mark>". The mark stands for the Service, so that a session of a canary is told from
-- one of the main Service. The key stands for the peer: a digest of its address (persistent), or
-- a random number whose place on the ring of the consistent hash is the peer's (balanced).
-- Digests are made with a salt of the Ingress: without it nobody can try out addresses. Whatever a
-- client makes up leads to some peer that any client may reach, or counts as none.

local filter = require("headgate.filters.affinity")
local hash = require("headgate.pickers.hash")
local https = require("headgate.https")
local peers = require("headgate.peers")
local resp = require("ngx.resp")

local byte, format, sub = string.byte, string.format, string.sub
local random = math.random
local ngx = ngx
local md5, md5_bin = ngx.md5, ngx.md5_bin
local var = ngx.var

local _M = {}

local DOT = 46
local KEY_LENGTH = 16
local LENGTH = KEY_LENGTH + 1 + filter.MARK_LENGTH
-- Draws of a key until it leads to a peer that may be used.
local DRAWS_MAX = 32

local function cookie_of(pin)
    local value = var[pin.variable]
    if value and #value == LENGTH and byte(value, KEY_LENGTH + 1) == DOT then
        return value
    end
end

--- Which Service a session is bound to.
---@param route table with `split`
---@return headgate.split_choice|true|nil choice true: the first Service; nil: to none
function _M.bound(route)
    local way = route.balance
    local pin = way and way.pin
    if not pin or not pin.sticky_canaries then
        return nil
    end
    local value = cookie_of(pin)
    if not value then
        return nil
    end
    local mark = sub(value, KEY_LENGTH + 2)
    if mark == way.mark then
        return true
    end
    local choices = route.split.choices
    for i = 1, #choices do
        local choice = choices[i]
        if not choice.broken and choice.route.balance.mark == mark then
            return choice
        end
    end
    return nil
end

-- The digests of a backend's peers, and which peer each of them is.
local function digests_of(backend, pin)
    local by_salt = backend.digests
    if not by_salt then
        by_salt = {}
        backend.digests = by_salt
    end
    local digests = by_salt[pin.salt]
    if not digests then
        digests = {}
        for index, name in ipairs(peers.names_of(backend)) do
            local digest = sub(md5(pin.salt .. "\n" .. backend.id .. "\n" .. name), 1, KEY_LENGTH)
            digests[index], digests[digest] = digest, index
        end
        by_salt[pin.salt] = digests
    end
    return digests
end

local function led_by(backend, key, barred)
    return hash.next(peers.ring_of(backend, md5_bin), md5_bin(key), barred)
end

local function new_key()
    return format("%08x%08x", random(0, 4294967295), random(0, 4294967295))
end

-- A key of its own for a session that begins: one that leads to the peer also when all may be used.
local function begin(ctx, backend, barred)
    for _ = 1, DRAWS_MAX do
        local key = new_key()
        local index = led_by(backend, key)
        if index and not (barred and barred[index]) then
            ctx.pinned = key
            return index
        end
    end
    return led_by(backend, new_key(), barred)
end

-- Whether this request has asked a peer already.
local function was_asked(ctx, backend, index)
    return ctx.asked ~= nil and ctx.asked[peers.name_of(backend, index)] ~= nil
end

--- The peer of a session, or of one that begins. A session whose peer is gone or ejected begins
-- anew at another one. One whose peer failed for this request does so if the filter wants it;
-- else another peer answers this once.
---@param ctx table of the request; `pinned` is the key that its answer gives to the client
---@param way headgate.balance with `pin`
---@param backend table
---@param barred table<integer, boolean>? peers that must not be used
---@return integer? index nil: it is picked as without affinity, and told to `bind`
function _M.choose(ctx, way, backend, barred)
    local pin = way.pin
    ctx.pinned, ctx.stays = nil, nil
    local value = cookie_of(pin)
    if value and sub(value, KEY_LENGTH + 2) == way.mark then
        local key = sub(value, 1, KEY_LENGTH)
        local index
        if pin.persistent then
            index = digests_of(backend, pin)[key]
        else
            index = led_by(backend, key)
        end
        if index and not (barred and barred[index]) then
            return index
        end
        if index and not pin.change_on_failure and was_asked(ctx, backend, index) then
            ctx.stays = true
            if not pin.persistent then
                return led_by(backend, key, barred)
            end
            return nil
        end
    end
    if not pin.persistent then
        return begin(ctx, backend, barred)
    end
    return nil
end

--- Takes note of the peer that was picked for a session.
---@param ctx table
---@param way headgate.balance with `pin`
---@param backend table
---@param index integer
function _M.bind(ctx, way, backend, index)
    if way.pin.persistent and not ctx.stays then
        ctx.pinned = digests_of(backend, way.pin)[index]
    end
end

--- Gives the client the cookie of its session; those of the backend stay.
---@param ctx table of the request
function _M.give(ctx)
    local way = ctx.route.balance
    local pin = way.pin
    local cookie = pin.name .. "=" .. ctx.pinned .. "." .. way.mark .. pin.fixed
    if pin.expires_s > 0 then
        cookie = cookie .. "; Expires=" .. ngx.cookie_time(ngx.time() + pin.expires_s)
    end
    if pin.secure == "always" or pin.secure == "https" and https.is_secure() then
        cookie = cookie .. "; Secure"
    end
    local same_site = filter.same_site_for(pin, var.http_user_agent)
    if same_site then
        cookie = cookie .. "; SameSite=" .. same_site
    end
    resp.add_header("Set-Cookie", cookie)
end

return _M
