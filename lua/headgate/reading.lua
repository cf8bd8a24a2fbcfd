--- From the text of a document to its compiled form.

local cjson = require("cjson").new()
local compile = require("headgate.compile")
local documents = require("headgate.documents")
local limits = require("headgate.limits")

local pcall = pcall

cjson.decode_max_depth(limits.json_depth_max)

local _M = { null = cjson.null }

--- Decodes JSON under the depth limit.
---@param text string
---@return any? value
---@return string? err
function _M.decode(text)
    local ok, value = pcall(cjson.decode, text)
    if not ok then
        return nil, value
    end
    return value
end

local function compiled(of, id, value)
    -- It was checked when it was pushed, but perhaps by other code: shared memory outlives a reload
    -- after which nginx runs an older version.
    local problem = documents.check_held(of, value)
    if problem then
        return nil, problem
    end
    return compile[of](value, id)
end

--- The compiled form of a document in shared memory.
---@param of string its kind
---@param id string
---@param text string the line as it was pushed
---@return table? entry
---@return string? problem
---@return any detail of the problem, as `compile` gives it
function _M.build(of, id, text)
    local line, err = _M.decode(text)
    if not line then
        return nil, err
    end
    local ok, entry, problem, detail = pcall(compiled, of, id, line.value)
    if not ok then
        return nil, entry
    end
    return entry, problem, detail
end

return _M
