--- The header traceparent of W3C Trace Context (https://www.w3.org/TR/trace-context/, 3.2). Pure.

local byte = string.byte

local _M = {}

local DASH, ZERO, NINE, A, F = 45, 48, 57, 97, 102
-- "<version>-<trace-id>-<parent-id>-<trace-flags>": where the dashes stand, and how long it is.
local FIRST, SECOND, THIRD, LENGTH = 3, 36, 53, 55

-- Whether lower hexadecimal digits stand in a range; second: whether all of them are 0.
local function digits(text, from, to)
    local zero = true
    for i = from, to do
        local c = byte(text, i)
        if not ((c >= ZERO and c <= NINE) or (c >= A and c <= F)) then
            return false
        end
        zero = zero and c == ZERO
    end
    return true, zero
end

--- Whether a header can be handed on. What a later version has behind the flags is not looked at.
---@param text string
---@return boolean
function _M.is_valid(text)
    if #text < LENGTH or byte(text, FIRST) ~= DASH or byte(text, SECOND) ~= DASH
        or byte(text, THIRD) ~= DASH
    then
        return false
    end
    local version, is_first = digits(text, 1, FIRST - 1)
    if not version or (byte(text, 1) == F and byte(text, 2) == F) then
        return false
    end
    if #text > LENGTH and (is_first or byte(text, LENGTH + 1) ~= DASH) then
        return false
    end
    local trace, no_trace = digits(text, FIRST + 1, SECOND - 1)
    local parent, no_parent = digits(text, SECOND + 1, THIRD - 1)
    return trace and parent and not no_trace and not no_parent
        and digits(text, THIRD + 1, LENGTH) or false
end

--- The header of a new trace.
---@param prefix string 16 hexadecimal digits, of this worker alone: no two of them make one id
---@param flags string "01" for a trace that is recorded, else "00"
---@param word fun(): string 8 hexadecimal digits by chance, not all 0: neither id may be
---@return string
function _M.new(prefix, flags, word)
    return "00-" .. prefix .. word() .. word() .. "-" .. word() .. word() .. "-" .. flags
end

return _M
