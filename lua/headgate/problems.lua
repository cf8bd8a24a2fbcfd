--- Things that an operator should know, noted by any worker and shown by GET /v1/state for a while.

local cjson = require("cjson").new()
local limits = require("headgate.limits")

local ipairs, pcall = ipairs, pcall

local versions = ngx.shared.headgate_versions

local _M = {}

--- What was reported of late.
---@return string[]
function _M.list()
    local held = versions:get("#problems")
    local ok, list = pcall(cjson.decode, held or "[]")
    return ok and list or {}
end

--- Notes a problem, once; the oldest make room.
---@param problem string
function _M.report(problem)
    local list = _M.list()
    for _, known in ipairs(list) do
        if known == problem then
            return
        end
    end
    while #list >= limits.problems_max do
        table.remove(list, 1)
    end
    list[#list + 1] = problem
    versions:safe_set("#problems", cjson.encode(list), limits.problem_ttl_s)
    ngx.log(ngx.ERR, problem)
end

return _M
