--- Looks up who a request is of, for the guard by user and password.
-- A password hash is made to be slow: bcrypt of cost 10 holds a worker for 60 ms. So a worker keeps
-- for a while what it has found, by a keyed digest that tells nothing of the password, and there is
-- a bound for what all clients, and for what the wrong passwords of one of them, may cost.

local basic_auth = require("headgate.filters.basic_auth")
local clients = require("headgate.guards.clients")
local limits = require("headgate.limits")
local password_hash = require("headgate.guards.password_hash")
local passwords = require("headgate.guards.passwords")
local random = require("headgate.random")
local store = require("headgate.store")

local ceil, max = math.ceil, math.max
local ngx = ngx
local var = ngx.var
local now, update_time = ngx.now, ngx.update_time
local hmac = ngx.hmac_sha1
local dict = ngx.shared.headgate_limits

local _M = {}

-- Of this worker alone, and gone with it.
local secret
-- Digest → whether it was right. The second takes over what the first held, and is then forgotten.
local fresh, stale, fresh_count, fresh_since = {}, {}, 0, 0
-- Up to when this worker's share for passwords is used up.
local worker_until = 0

local function recall(digest)
    local known = fresh[digest]
    if known == nil then
        known = stale[digest]
        if known ~= nil then
            fresh[digest] = known
            fresh_count = fresh_count + 1
        end
    end
    return known
end

local function remember(digest, is_right)
    fresh[digest] = is_right
    fresh_count = fresh_count + 1
end

local function forget_old(at)
    if fresh_count >= limits.passwords_kept_max or at - fresh_since > limits.passwords_kept_s then
        fresh, stale, fresh_count, fresh_since = {}, fresh_since == 0 and {} or fresh, 0, at
    end
end

local function too_busy(status, reason, wait_s)
    return status, reason, { ["Retry-After"] = tostring(max(1, ceil(wait_s))) }
end

-- What a client's wrong passwords have cost, as the time at which it is paid off.
local function client_until(key)
    return dict and dict:get(key) or 0
end

local function charge_client(key, at, spent)
    if not dict then
        return
    end
    local upto = max(client_until(key), at) + spent / limits.client_passwords_share
    clients.keep(dict, key, upto, upto - at)
end

-- Slow forms: under the two bounds, and remembered.
local function slowly(request, user, password, own, decoy)
    local hash = own or decoy
    local at = now()
    forget_old(at)
    secret = secret or random.hex(32)
    local digest = hmac(secret, user .. "\0" .. hash .. "\0" .. password)
    local known = recall(digest)
    if known ~= nil then
        return known
    end
    local key = "password " .. clients.key(request.client)
    local over = client_until(key) - at - limits.client_passwords_s / limits.client_passwords_share
    if over > 0 then
        return nil, too_busy(429, "too many wrong passwords of this client", over)
    end
    over = worker_until - at - limits.worker_passwords_s / limits.worker_passwords_share
    if over > 0 then
        return nil, too_busy(503, "too many passwords to be checked", over)
    end
    -- Time of the clock, not of the processor: that long everybody else waits.
    update_time()
    local began = now()
    local is_right = passwords.verify(password, hash) and own ~= nil
    update_time()
    local spent = max(now() - began, 0.001)
    worker_until = max(worker_until, began) + spent / limits.worker_passwords_share
    if not is_right then
        charge_client(key, began, spent)
    end
    remember(digest, is_right)
    return is_right
end

local function judge(guard, request)
    local entry = store.get(store.users, guard.users)
    if not entry or entry.broken or not entry.decoy then
        return 503, "the users of " .. guard.users .. " are not known"
    end
    if request.as then
        return
    end
    local user, password = basic_auth.credentials(var.http_authorization, ngx.decode_base64)
    if not user then
        return 401, "no user and password", guard.challenge
    end
    local own = entry.users[user]
    local is_right, status, reason, headers
    if password_hash.is_slow(own or entry.decoy) then
        is_right, status, reason, headers = slowly(request, user, password, own, entry.decoy)
        if is_right == nil then
            return status, reason, headers
        end
    else
        is_right = passwords.verify(password, own or entry.decoy) and own ~= nil
    end
    if not is_right then
        return 401, "no such user and password", guard.challenge
    end
    -- For the access log: it is read from the header, which goes.
    local _ = var.remote_user
    -- As in ingress-nginx: the password is for this door alone.
    ngx.req.clear_header("Authorization")
end

-- Where another guard was enough the backend does not get the password either.
local function skip(_, request)
    if not request.as then
        ngx.req.clear_header("Authorization")
    end
end

--- Puts itself behind the guards that are prepared from then on.
function _M.init()
    basic_auth.judge, basic_auth.skip = judge, skip
end

return _M
