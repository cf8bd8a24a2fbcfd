--- Text with variables of nginx, as documents write it: text and "$variable" in turn. Pure.

local sub = string.sub
local ipairs = ipairs

local _M = {}

---@alias headgate.part { variable: string?, text: string? }

--- What one part may look like: text that passes a check, or one of some variables.
---@param text headgate.check also of the variable as it is written
---@param variables table<string, any> by name
---@return headgate.check
function _M.check(text, variables)
    return function(value, field)
        local problem = text(value, field)
        if problem then
            return problem
        end
        if sub(value, 1, 1) == "$" and not variables[sub(value, 2)] then
            return field .. ": not a variable that is filled in"
        end
    end
end

--- Takes the parts apart, so that a request need not.
---@param written string[]
---@return headgate.part[]
function _M.new(written)
    local parts = {}
    for i, part in ipairs(written) do
        local variable = sub(part, 1, 1) == "$"
        parts[i] = variable and { variable = sub(part, 2) } or { text = part }
    end
    return parts
end

return _M
