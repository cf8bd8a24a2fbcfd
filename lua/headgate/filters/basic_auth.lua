--- The guard by user and password (RFC 7617): its shape. Pure. headgate.guards.sign_in looks
-- passwords up.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local password_hash = require("headgate.guards.password_hash")

local find, gsub = string.find, string.gsub
local pairs, type = pairs, type

local _M = {
    -- Set by headgate.guards.sign_in. Without it there is nobody who could be let in.
    ---@type function?
    judge = nil,
    ---@type function?
    skip = nil,
}

local key = checks.text(limits.key_bytes_max, "^[^/%s]+/[^/%s]+/[^/%s]+$", "a key of three parts")

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("basic_auth"),
    realm = checks.text(limits.realm_bytes_max, ".", "a text"),
    users = key,
})

local user_name = checks.text(limits.user_bytes_max, "^[^:]+$", "a name without colon")

local function hash(value, field)
    if type(value) ~= "string" or #value > limits.password_hash_bytes_max then
        return field .. ": not a password hash"
    end
    local form, problem = password_hash.read(value)
    return not form and field .. ": " .. problem or nil
end

--- What the document of users may look like: a name and a hash each.
_M.check_users = checks.object({
    users = checks.map(user_name, hash, limits.users_max),
})

local function note(guard, request)
    return request.as and "would ask for a user and a password of " .. guard.users or nil
end

--- Prepares the guard.
---@param value table
---@return headgate.guard
function _M.new(value)
    local realm = gsub(value.realm, '["\\]', "\\%0")
    return {
        users = value.users,
        challenge = { ["WWW-Authenticate"] = 'Basic realm="' .. realm .. '", charset="UTF-8"' },
        judge = _M.judge,
        skip = _M.skip,
        note = note,
    }
end

--- Prepares users. `decoy` is a hash as dear as the dearest of them: who is none is held against
-- it, so that time does not tell who is one.
---@param value table
---@return { users: table<string, string>, decoy: string? }
function _M.new_users(value)
    local decoy, dearest
    for _, text in pairs(value.users) do
        local form = password_hash.read(text)
        if form and (not decoy or form.cost_ms > dearest) then
            decoy, dearest = text, form.cost_ms
        end
    end
    return { users = value.users, decoy = decoy }
end

--- User and password as a client wrote them.
---@param header string? Authorization
---@param decode_base64 fun(text: string): string?
---@return string? user
---@return string? password
function _M.credentials(header, decode_base64)
    if not header or #header > limits.authorization_bytes_max then
        return nil
    end
    local encoded = header:match("^[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/]+=?=?) *$")
    local text = encoded and decode_base64(encoded)
    if not text or find(text, "[%z\1-\31\127]") then
        return nil
    end
    return text:match("^([^:]+):(.*)$")
end

return _M
