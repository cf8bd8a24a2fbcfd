--- Certificates and keys as OpenSSL has them.

local ffi = require("ffi")
local ssl = require("ngx.ssl")

ffi.cdef([[
void *OPENSSL_sk_value(const void *stack, int index);
int X509_check_private_key(const void *x509, const void *key);
]])

local _M = {}

--- Parses a chain and its key.
---@param value table value of a certificate document
---@return table? pair {chain, key}
---@return string? err names the field
function _M.parse(value)
    local chain, err = ssl.parse_pem_cert(value.certificate)
    if not chain then
        return nil, "value.certificate: " .. (err or "cannot be parsed")
    end
    local key
    key, err = ssl.parse_pem_priv_key(value.key)
    if not key then
        return nil, "value.key: " .. (err or "cannot be parsed")
    end
    return { chain = chain, key = key }
end

--- Whether a key belongs to the first certificate of a chain.
---@param pair table of parse
---@return boolean? ok
---@return string? err
function _M.check_pair(pair)
    local leaf = ffi.C.OPENSSL_sk_value(pair.chain, 0)
    if leaf == nil or ffi.C.X509_check_private_key(leaf, pair.key) ~= 1 then
        return nil, "value.key: does not belong to value.certificate"
    end
    return true
end

return _M
