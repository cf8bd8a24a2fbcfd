--- The forms of password hashes that are taken, and about what each costs to check. Pure.
-- Those of nginx's auth_basic_user_file and of htpasswd(1); crypt(5) has the forms of libcrypt.
-- A form that costs too much is refused: who may write a Secret could stop every worker with it.

local byte, find, match = string.byte, string.find, string.match
local tonumber = tonumber

local _M = {
    BCRYPT_COST_MAX = 12,
    SHA_ROUNDS_MAX = 100000,
}

local BASE64 = "[A-Za-z0-9+/]"
local CRYPT = "[A-Za-z0-9./]"
local BRACE = 123

--- Whether a check takes long enough to be worth remembering.
---@param hash string
---@return boolean
function _M.is_slow(hash)
    return byte(hash) ~= BRACE
end

---@class headgate.password_hash
---@field scheme "plain"|"sha"|"ssha"|"apr1"|"crypt"
---@field cost_ms number about, on one core

local function modular(hash)
    local rounds, salt, sum
    if find(hash, "^%$apr1%$") then
        salt, sum = match(hash, "^%$apr1%$([^$]*)%$(" .. CRYPT .. "+)$")
        return salt and #salt <= 8 and #sum == 22 and { scheme = "apr1", cost_ms = 1 } or nil
    end
    local cost, rest = match(hash, "^%$2[aby]%$(%d%d)%$(" .. CRYPT .. "+)$")
    if cost then
        cost = tonumber(cost)
        if cost < 4 or #rest ~= 53 then
            return nil
        end
        if cost > _M.BCRYPT_COST_MAX then
            return nil, "costs more than bcrypt's " .. _M.BCRYPT_COST_MAX
        end
        return { scheme = "crypt", cost_ms = 60 * 2 ^ (cost - 10) }
    end
    salt, sum = match(hash, "^%$1%$([^$]*)%$(" .. CRYPT .. "+)$")
    if salt then
        return #salt <= 8 and #sum == 22 and { scheme = "crypt", cost_ms = 1 } or nil
    end
    local length = find(hash, "^%$5%$") and 43 or find(hash, "^%$6%$") and 86
    if not length then
        return nil
    end
    rounds, salt, sum = match(hash, "^%$[56]%$rounds=(%d+)%$([^$]*)%$(" .. CRYPT .. "+)$")
    if not rounds then
        rounds, salt, sum = 5000, match(hash, "^%$[56]%$([^$]*)%$(" .. CRYPT .. "+)$")
    end
    rounds = tonumber(rounds)
    if not salt or #salt > 16 or #sum ~= length or rounds < 1000 then
        return nil
    end
    if rounds > _M.SHA_ROUNDS_MAX then
        return nil, "costs more than " .. _M.SHA_ROUNDS_MAX .. " rounds"
    end
    return { scheme = "crypt", cost_ms = rounds / 2500 }
end

--- What a hash is.
---@param hash string
---@return headgate.password_hash? form
---@return string? problem
function _M.read(hash)
    if find(hash, "[^!-~]") then
        return nil, "not a password hash that is known"
    end
    local form, problem
    if find(hash, "^%$") then
        form, problem = modular(hash)
    elseif find(hash, "^{SHA}" .. BASE64 .. "+=$") and #hash == 33 then
        form = { scheme = "sha", cost_ms = 0 }
    elseif find(hash, "^{SSHA}" .. BASE64 .. "+=?=?$") and #hash >= 34 and #hash % 4 == 2 then
        form = { scheme = "ssha", cost_ms = 0 }
    elseif find(hash, "^{PLAIN}.") then
        form = { scheme = "plain", cost_ms = 0 }
    elseif #hash == 13 and not find(hash, "[^A-Za-z0-9./]") then
        form = { scheme = "crypt", cost_ms = 0.5 }
    end
    return form, not form and (problem or "not a password hash that is known") or nil
end

return _M
