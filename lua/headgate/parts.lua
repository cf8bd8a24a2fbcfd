--- Text with variables of nginx, as documents write it: text and "$variable" in turn. Pure.

local sub = string.sub
local ipairs = ipairs

local _M = {}

---@alias headgate.part { variable: string?, text: string? }

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
