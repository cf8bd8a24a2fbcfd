--- Signals to nginx's own processes, by FFI: Lua in nginx has no call for them.

local ffi = require("ffi")

ffi.cdef([[
int kill(int pid, int sig);
]])

local SIGHUP = 1

local _M = {}

--- Asks a master to reload its configuration. Master and workers share the user, so it is allowed.
---@param pid integer
---@return boolean? ok
---@return string? err
function _M.reload(pid)
    if ffi.C.kill(pid, SIGHUP) ~= 0 then
        return nil, "kill: errno " .. ffi.errno()
    end
    return true
end

--- Whether a process lives.
---@param pid integer
---@return boolean
function _M.alive(pid)
    local EPERM = 1
    return ffi.C.kill(pid, 0) == 0 or ffi.errno() == EPERM
end

return _M
