--- Is it the password of a hash? By libcrypt, which nginx is linked with, where it knows the form.

local bit = require("bit")
local ffi = require("ffi")
local password_hash = require("headgate.guards.password_hash")

local bor, bxor, rshift, lshift, band = bit.bor, bit.bxor, bit.rshift, bit.lshift, bit.band
local byte, match, sub = string.byte, string.match, string.sub
local concat = table.concat
local md5, sha1 = ngx.md5_bin, ngx.sha1_bin
local decode_base64, encode_base64 = ngx.decode_base64, ngx.encode_base64

ffi.cdef([[
char *crypt_r(const char *phrase, const char *setting, void *data);
]])

-- sizeof(struct crypt_data) of libxcrypt, crypt(3).
local CRYPT_DATA_BYTES = 32768
-- CRYPT_MAX_PASSPHRASE_SIZE: crypt_r refuses what is longer.
local PASSWORD_BYTES_MAX = 511

local _M = {}

local data

local function crypt(password, setting)
    data = data or ffi.new("char[?]", CRYPT_DATA_BYTES)
    -- It may hold the password before: nothing of it stays.
    local result = ffi.C.crypt_r(password, setting, data)
    local text = result ~= nil and ffi.string(result) or nil
    ffi.fill(data, CRYPT_DATA_BYTES)
    return text
end

-- How long it takes says nothing of where the texts differ.
local function is_same(a, b)
    if #a ~= #b then
        return false
    end
    local difference = 0
    for i = 1, #a do
        difference = bor(difference, bxor(byte(a, i), byte(b, i)))
    end
    return difference == 0
end

local ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

local function to64(out, value, count)
    for _ = 1, count do
        local at = band(value, 63) + 1
        out[#out + 1] = sub(ITOA64, at, at)
        value = rshift(value, 6)
    end
end

-- Apache's variant of the MD5 crypt of FreeBSD: the same steps with another word in front.
local function apr1(password, salt)
    local inner = md5(password .. salt .. password)
    local parts = { password, "$apr1$", salt }
    local left = #password
    while left > 0 do
        parts[#parts + 1] = sub(inner, 1, left < 16 and left or 16)
        left = left - 16
    end
    local length = #password
    while length > 0 do
        parts[#parts + 1] = band(length, 1) == 1 and "\0" or sub(password, 1, 1)
        length = rshift(length, 1)
    end
    local sum = md5(concat(parts))
    for round = 0, 999 do
        local odd = round % 2 == 1
        sum = md5((odd and password or sum)
            .. (round % 3 ~= 0 and salt or "")
            .. (round % 7 ~= 0 and password or "")
            .. (odd and sum or password))
    end
    local out = {}
    for i = 0, 4 do
        local a, b, c = byte(sum, i + 1), byte(sum, i + 7), byte(sum, i == 4 and 6 or i + 13)
        to64(out, bor(lshift(a, 16), lshift(b, 8), c), 4)
    end
    to64(out, byte(sum, 12), 2)
    return "$apr1$" .. salt .. "$" .. concat(out)
end

local made = {
    plain = function(password)
        return "{PLAIN}" .. password
    end,
    sha = function(password)
        return "{SHA}" .. encode_base64(sha1(password))
    end,
    ssha = function(password, hash)
        local salt = sub(decode_base64(sub(hash, 7)) or "", 21)
        return "{SSHA}" .. encode_base64(sha1(password .. salt) .. salt)
    end,
    apr1 = function(password, hash)
        return apr1(password, match(hash, "^%$apr1%$([^$]*)%$"))
    end,
    crypt = crypt,
}

--- Whether a password can be one: what libcrypt would cut off is none.
---@param password string
---@return boolean
function _M.is_possible(password)
    return #password <= PASSWORD_BYTES_MAX and not password:find("\0", 1, true)
end

--- Checks a password.
---@param password string
---@param hash string of a form that headgate.password_hash takes
---@return boolean
function _M.verify(password, hash)
    local form = password_hash.read(hash)
    if not form or not _M.is_possible(password) then
        return false
    end
    local text = made[form.scheme](password, hash)
    -- A hash that libcrypt cannot use gives nothing, or "*0".
    return text ~= nil and is_same(text, hash)
end

return _M
