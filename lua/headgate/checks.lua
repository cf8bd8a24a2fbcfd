--- What a value may be, as checks that are put together. Pure.
-- A check takes a value and the name of its field, and gives nil or what is wrong with it.

local networks = require("headgate.networks")

local find = string.find
local ipairs, pairs, tostring, type = ipairs, pairs, tostring, type

local _M = {}

---@alias headgate.check fun(value: any, field: string): string?

--- A string without control characters.
---@param bytes_max integer
---@param pattern string? Lua pattern that it must fit
---@param want string? the pattern in words
---@return headgate.check
function _M.text(bytes_max, pattern, want)
    return function(value, field)
        if type(value) ~= "string" then
            return field .. ": not a string"
        end
        if #value > bytes_max then
            return field .. ": longer than " .. bytes_max .. " bytes"
        end
        if find(value, "[%z\1-\31\127]") then
            return field .. ": has a control character"
        end
        if pattern and not find(value, pattern) then
            return field .. ": not " .. want
        end
    end
end

--- A whole number.
---@param low integer
---@param high integer
---@return headgate.check
function _M.integer(low, high)
    return function(value, field)
        if type(value) ~= "number" or value % 1 ~= 0 or value < low or value > high then
            return field .. ": not a whole number from " .. low .. " to " .. high
        end
    end
end

--- One of some words.
---@param ... string
---@return headgate.check
function _M.one_of(...)
    local allowed = {}
    for _, word in ipairs({ ... }) do
        allowed[word] = true
    end
    return function(value, field)
        if not allowed[value] then
            return field .. ": not one of the known words"
        end
    end
end

--- True or false.
---@param value any
---@param field string
---@return string? problem
function _M.boolean(value, field)
    if type(value) ~= "boolean" then
        return field .. ": not true or false"
    end
end

--- A list of values of one kind.
---@param check headgate.check
---@param count_max integer
---@return headgate.check
function _M.list(check, count_max)
    return function(value, field)
        if type(value) ~= "table" then
            return field .. ": not a list"
        end
        local count = 0
        for _ in pairs(value) do
            count = count + 1
        end
        if count ~= #value then
            return field .. ": not a list"
        end
        if count > count_max then
            return field .. ": more than " .. count_max .. " entries"
        end
        for i = 1, count do
            local problem = check(value[i], field .. "[" .. (i - 1) .. "]")
            if problem then
                return problem
            end
        end
    end
end

--- An object whose keys are data.
---@param check_key headgate.check
---@param check headgate.check
---@param count_max integer
---@return headgate.check
function _M.map(check_key, check, count_max)
    return function(value, field)
        if type(value) ~= "table" then
            return field .. ": not an object"
        end
        local count = 0
        for key, entry in pairs(value) do
            count = count + 1
            if count > count_max then
                return field .. ": more than " .. count_max .. " entries"
            end
            local problem = check_key(key, field .. ": key") or check(entry, field .. "." .. key)
            if problem then
                return problem
            end
        end
    end
end

-- Check of an object → the names of the fields it knows.
local known = setmetatable({}, { __mode = "k" })

--- A field of an object that its check does not know.
---@param check headgate.check one that `object` gave
---@param value table
---@param field string
---@return string? problem
function _M.unknown_field(check, value, field)
    local fields = known[check]
    for name in pairs(value) do
        if not fields[name] then
            return field .. ": field " .. tostring(name) .. " is not known"
        end
    end
end

--- An object with all of these fields and no other: one that is not known may be a guard.
---@param fields table<string, headgate.check>
---@param all headgate.check? looks at the whole
---@param optional table<string, headgate.check>? fields that may be absent
---@return headgate.check
function _M.object(fields, all, optional)
    local function check_object(value, field)
        if type(value) ~= "table" then
            return field .. ": not an object"
        end
        local unknown = _M.unknown_field(check_object, value, field)
        if unknown then
            return unknown
        end
        for name, check in pairs(fields) do
            if value[name] == nil then
                return field .. "." .. name .. ": missing"
            end
            local problem = check(value[name], field .. "." .. name)
            if problem then
                return problem
            end
        end
        for name, check in pairs(optional or {}) do
            local problem = value[name] ~= nil and check(value[name], field .. "." .. name)
            if problem then
                return problem
            end
        end
        return all and all(value, field) or nil
    end
    local names = {}
    for _, some in ipairs({ fields, optional or {} }) do
        for name in pairs(some) do
            names[name] = true
        end
    end
    known[check_object] = names
    return check_object
end

--- What a check takes, and the empty string.
---@param check headgate.check
---@return headgate.check
function _M.or_empty(check)
    return function(value, field)
        if value ~= "" then
            return check(value, field)
        end
    end
end

--- An IPv4 or IPv6 address.
---@param value any
---@param field string
---@return string? problem
function _M.address(value, field)
    if type(value) ~= "string" or not networks.address(value) then
        return field .. ": not an IPv4 or IPv6 address"
    end
end

--- An object that says by its field `kind` which fields it has.
---@param kinds table<string, headgate.check>
---@return headgate.check
function _M.by_kind(kinds)
    return function(value, field)
        if type(value) ~= "table" then
            return field .. ": not an object"
        end
        local check = kinds[value.kind]
        if not check then
            return field .. ".kind: not one of the known words"
        end
        return check(value, field)
    end
end

return _M
