--- A route whose requests are shared by several Services: the shape of the filter, its prepared
-- form, and what a request says of it by a header or a cookie. Pure.

local balance = require("headgate.filters.balance")
local checks = require("headgate.checks")
local limits = require("headgate.limits")

local gsub, lower = string.gsub, string.lower
local ipairs, type = ipairs, type

local _M = {}

local check_turns = checks.object({
    kind = checks.one_of("balance"), by = checks.one_of("round_robin"),
})

local function check_balance(value, field)
    if type(value) == "table" and value.by == "round_robin" then
        return check_turns(value, field)
    end
    if type(value) ~= "table" then
        return field .. ": not an object"
    end
    return balance.check(value, field)
end

local word = checks.text(limits.text_bytes_max)

local check_choice = checks.object({
    backend = checks.text(limits.key_bytes_max, "^[^/%s]+/[^/%s]+/[^/%s]+$",
        "a key of three parts"),
    ingress = word,
    service = word,
    profile = checks.text(64, "^[a-z][a-z0-9-]*$", "the name of a profile"),
    variant = checks.or_empty(
        checks.text(64, "^[a-z][a-z0-9-]*$", "the name of a profile")),
    tls_name = checks.or_empty(
        checks.text(limits.host_bytes_max, "^[%w._-]+$", "a host name")),
    balance = check_balance,
    header = checks.or_empty(
        checks.text(limits.field_name_bytes_max, "^[%w_-]+$", "the name of a header")),
    value = word,
    pattern = checks.text(limits.pattern_bytes_max),
    cookie = checks.or_empty(
        checks.text(limits.field_name_bytes_max, "^[%w_.-]+$", "the name of a cookie")),
    weight = checks.integer(0, limits.split_weight_max),
    total = checks.integer(1, limits.split_weight_max),
}, function(value, field)
    if value.weight > value.total then
        return field .. ".weight: more than the total"
    end
end)

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("split"),
    choices = checks.list(check_choice, limits.split_choices_max),
}, function(value, field)
    if #value.choices == 0 then
        return field .. ".choices: empty"
    end
end)

---@class headgate.split_choice
---@field backend string
---@field ingress string
---@field service string
---@field profile string
---@field variant string? name of a profile
---@field tls_name string?
---@field balance headgate.balance? nil: in turn
---@field header string? in lower case
---@field header_variable string?
---@field value string? that the header must have
---@field pattern table? headgate.regex that the header must match
---@field cookie string?
---@field cookie_variable string?
---@field share number of the requests that say nothing, 0 to 1
---@field from number where its part of all draws begins
---@field broken string? why it gets nothing

local function choice_of(value, regex)
    local choice = {
        backend = value.backend,
        ingress = value.ingress,
        service = value.service,
        profile = value.profile,
        variant = value.variant ~= "" and value.variant or nil,
        tls_name = value.tls_name ~= "" and value.tls_name or nil,
        balance = value.balance.by ~= "round_robin" and balance.new(value.balance) or nil,
        share = value.weight / value.total,
    }
    if value.header ~= "" then
        choice.header = lower(value.header)
        choice.header_variable = "http_" .. gsub(choice.header, "-", "_")
        if value.value ~= "" then
            choice.value = value.value
        elseif value.pattern ~= "" then
            -- Patterns of documents ignore case; values of headers do not.
            choice.pattern, choice.broken = regex.compiled("(?-i)" .. value.pattern)
        end
    end
    if value.cookie ~= "" then
        choice.cookie = value.cookie
        choice.cookie_variable = "cookie_" .. value.cookie
    end
    return choice
end

---@class headgate.split
---@field choices headgate.split_choice[] the oldest first
---@field test fun(pattern: table, subject: string): boolean, string?

--- Prepares the filter. What is more than all of the requests is cut off.
---@param value table
---@param regex table headgate.regex
---@return headgate.split
function _M.new(value, regex)
    local choices, from = {}, 0
    for i, written in ipairs(value.choices) do
        local choice = choice_of(written, regex)
        choice.from = from
        if choice.share > 1 - from then
            choice.share = 1 - from
        end
        from = from + choice.share
        choices[i] = choice
    end
    return { choices = choices, test = regex.test }
end

--- What a request says of a choice.
---@param split headgate.split
---@param choice headgate.split_choice
---@param header string? value of its header
---@param cookie string? value of its cookie
---@return boolean? wanted nil: nothing is said
---@return string? why "header" or "cookie"
function _M.said(split, choice, header, cookie)
    if header and #header <= limits.split_header_bytes_max then
        if choice.value then
            if header == choice.value then
                return true, "header"
            end
        elseif choice.pattern then
            if split.test(choice.pattern, header) then
                return true, "header"
            end
        elseif header == "always" then
            return true, "header"
        elseif header == "never" then
            return false, "header"
        end
    end
    if cookie == "always" then
        return true, "cookie"
    elseif cookie == "never" then
        return false, "cookie"
    end
    return nil
end

return _M
