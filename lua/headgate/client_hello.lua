--- The ssl_client_hello phase: binds TLS sessions to the policy of client certificates of a name.
-- A resumed session keeps the verdict about the certificate that its first handshake saw, and
-- nginx looks sessions up in the default server block, before it knows the name. OpenSSL resumes a
-- session only in the context that it was made in, so each policy is a context of its own: a
-- session of another policy, of none, or of the policy that the host had before the last reload is
-- not found, and the handshake is a full one.

local base = require("resty.core.base")
local client_hello = require("ngx.ssl.clienthello")
local ffi = require("ffi")
local router = require("headgate.router")
local store = require("headgate.store")

local lower, sub = string.lower, string.sub
local C = ffi.C

-- Under a name of its own: lua-resty-core of Debian 13 declares it too, that of Debian 12 does not.
ffi.cdef([[
void *headgate_ssl_of(void *request) __asm__("ngx_http_lua_ffi_get_req_ssl_pointer");
int SSL_set_session_id_context(void *ssl, const unsigned char *context, unsigned int length);
]])

-- `names`: host name, or wildcard → its policy, false for none.
local _M = { names = {} }

--- The policy of a name in a handshake.
---@param name string in lower case, without the dot at its end
---@return string|false|nil policy
function _M.policy_of(name)
    local policy = _M.names[name]
    if policy ~= nil then
        return policy
    end
    local covering = router.wildcard(name)
    return covering and _M.names[covering]
end

local function bind()
    local name = client_hello.get_client_hello_server_name()
    if not name then
        return
    end
    name = lower(name)
    if sub(name, -1) == "." then
        name = sub(name, 1, -2)
    end
    local policy = _M.policy_of(name)
    if not policy then
        return
    end
    local ssl = C.headgate_ssl_of(base.get_request())
    if ssl == nil or C.SSL_set_session_id_context(ssl, policy, #policy) ~= 1 then
        error("the session cannot be bound to " .. policy)
    end
end

--- Runs the phase. A handshake that cannot be bound ends.
function _M.run()
    local ok, err = pcall(bind)
    if not ok then
        store.report("handshakes fail: " .. tostring(err))
        return ngx.exit(ngx.ERROR)
    end
end

return _M
