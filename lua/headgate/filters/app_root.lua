--- Where a request for "/" is sent to. Pure.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local paths = require("headgate.paths")

local _M = {}

-- Two slashes at the start would be the name of another host.
local own_path = checks.text(limits.path_bytes_max, "^/[^/]", "a path below /")

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("app_root"),
    path = own_path,
})

--- The value of the Location header.
---@param value table
---@return string location
function _M.new(value)
    return paths.encode(value.path)
end

return _M
