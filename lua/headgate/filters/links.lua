--- What a backend says of its own address, in words of the client's: where it redirects to, and for
-- which domain and path its cookies are. Pure.

local checks = require("headgate.checks")
local limits = require("headgate.limits")
local parts = require("headgate.parts")

local concat = table.concat
local find, gsub, lower = string.find, string.gsub, string.lower
local match, sub = string.match, string.sub
local ipairs, type = ipairs, type

local _M = {}

local VARIABLES = { host = true, scheme = true }

local url = checks.text(limits.path_bytes_max, "^[!-~]+$", "text of a URL")
local attribute = checks.text(limits.path_bytes_max, "^[!-:<-~]+$", "an attribute of a cookie")
local anything = checks.text(limits.path_bytes_max, "^[!-~]*$", "text of a URL")

local part = parts.check(anything, VARIABLES)

--- What the document of redirects may look like.
_M.check_location = checks.object({
    kind = checks.one_of("location"),
    from = url,
    to = checks.list(part, limits.redirect_parts_max),
})

--- What the document of one attribute of cookies may look like.
---@param kind string
---@return headgate.check
function _M.check_cookie(kind)
    return checks.object({ kind = checks.one_of(kind), from = attribute, to = attribute })
end

---@class headgate.links
---@field location { from: string, to: headgate.part[] }?
---@field cookie_domain { from: string, to: string }?
---@field cookie_path { from: string, to: string }?

--- Takes in one filter.
---@param links headgate.links
---@param value table
function _M.add(links, value)
    if value.kind == "location" then
        links.location = { from = value.from, to = parts.new(value.to) }
    elseif value.kind == "cookie_domain" then
        links.cookie_domain = { from = lower((gsub(value.from, "^%.", ""))), to = value.to }
    else
        links.cookie_path = { from = value.from, to = value.to }
    end
end

local function starts(text, prefix)
    return sub(text, 1, #prefix) == prefix
end

--- The location of a redirect.
---@param rule { from: string, to: headgate.part[] }
---@param location string
---@param var table variables of nginx
---@return string? changed nil: it stays
function _M.location(rule, location, var)
    if not starts(location, rule.from) then
        return nil
    end
    local out = {}
    for i, one in ipairs(rule.to) do
        out[i] = one.text or var[one.variable]
    end
    return concat(out) .. sub(location, #rule.from + 1)
end

local function attribute_of(links, name, value)
    if name == "domain" and links.cookie_domain then
        local rule = links.cookie_domain
        return lower((gsub(value, "^%.", ""))) == rule.from and rule.to or nil
    end
    if name == "path" and links.cookie_path then
        local rule = links.cookie_path
        return starts(value, rule.from) and rule.to .. sub(value, #rule.from + 1) or nil
    end
end

local function cookie(links, written)
    local first = find(written, ";", 1, true)
    if not first then
        return written
    end
    local attributes = gsub(sub(written, first), "(;%s*)([^;=]+)(=)([^;]*)",
        function(before, name, equals, value)
            local trimmed = match(value, "^%s*(.-)%s*$")
            local changed = attribute_of(links, lower(match(name, "^(.-)%s*$")), trimmed)
            return changed and before .. name .. equals .. changed
        end)
    return sub(written, 1, first - 1) .. attributes
end

--- Cookies with their attributes changed.
---@param links headgate.links
---@param cookies string|string[] of Set-Cookie
---@return string|string[]
function _M.cookies(links, cookies)
    if type(cookies) == "string" then
        return cookie(links, cookies)
    end
    local out = {}
    for i, one in ipairs(cookies) do
        out[i] = cookie(links, one)
    end
    return out
end

return _M
