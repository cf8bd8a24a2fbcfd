--- The workers of this nginx and which configuration each of them runs.

local format, match = string.format, string.match
local tonumber = tonumber
local versions = ngx.shared.headgate_versions

local _M = {}

--- Notes which configuration this worker runs. Each start has a number of its own, so that workers
-- which start at the same time do not write over each other.
---@param pid integer
---@param configuration integer
function _M.enlist(pid, configuration)
    local number = versions:incr("#enlisted", 1, 0)
    versions:set("#worker:" .. number, pid .. " " .. format("%d", configuration))
end

--- The workers that live, those that still serve their last requests included. Forgets the others.
---@param alive fun(pid: integer): boolean
---@return {pid: integer, configuration: integer}[]
function _M.list(alive)
    local found = {}
    local last = versions:get("#enlisted") or 0
    local first = versions:get("#enlisted_first") or 1
    local leading = true
    for number = first, last do
        local key = "#worker:" .. number
        local held = versions:get(key)
        local pid, configuration = match(held or "", "^(%d+) (%d+)$")
        pid = tonumber(pid)
        if pid and alive(pid) then
            found[#found + 1] = { pid = pid, configuration = tonumber(configuration) }
            leading = false
        elseif not held then
            -- It has its number and is about to write.
            leading = false
        elseif leading then
            versions:set("#enlisted_first", number + 1)
            versions:delete(key)
        elseif held ~= "ended" then
            versions:set(key, "ended")
        end
    end
    return found
end

return _M
