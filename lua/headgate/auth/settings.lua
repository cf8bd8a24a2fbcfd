--- How services are asked, by the configuration.

---@class headgate.auth_settings
---@field connect_ms integer
---@field timeout_s number for the whole answer
---@field verify boolean whether the configuration has authorities for certificates
local _M = { connect_ms = 2000, timeout_s = 10, verify = false }

--- init_by_lua: takes the settings. A configuration that is older than this code has none.
---@param settings { connect_ms: integer, timeout_ms: integer, verify: boolean }?
function _M.configure(settings)
    if settings then
        _M.connect_ms = settings.connect_ms
        _M.timeout_s = settings.timeout_ms / 1000
        _M.verify = settings.verify
    end
end

return _M
