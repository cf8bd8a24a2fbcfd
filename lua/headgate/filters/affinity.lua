--- Session affinity by a cookie: the shape of the filter, its prepared form, and the cookie's
-- attributes. Pure.

local checks = require("headgate.checks")
local limits = require("headgate.limits")

local find, format, match, sub = string.find, string.format, string.match, string.sub
local concat = table.concat
local tonumber = tonumber

local _M = { MARK_LENGTH = 8 }

local name_max = limits.field_name_bytes_max

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("affinity"),
    name = checks.text(name_max, "^[%w_.-]+$", "the name of a cookie"),
    mode = checks.one_of("balanced", "persistent"),
    salt = checks.text(limits.text_bytes_max, ".", "text"),
    path = checks.text(limits.path_bytes_max, "^/[!-:<-~]*$", "a path that a cookie may have"),
    domain = checks.or_empty(
        checks.text(limits.host_bytes_max, "^%.?[%w.-]+$", "the name of a domain")),
    max_age_s = checks.integer(0, limits.cookie_age_s_max),
    expires_s = checks.integer(0, limits.cookie_age_s_max),
    same_site = checks.one_of("", "None", "Lax", "Strict"),
    same_site_conditional = checks.boolean,
    secure = checks.one_of("always", "https", "never"),
    change_on_failure = checks.boolean,
    canaries = checks.one_of("sticky", "legacy"),
})

---@class headgate.pin
---@field name string
---@field variable string that holds the client's cookie
---@field persistent boolean a session stays with its peer for as long as there is that peer
---@field salt string what digests are made with
---@field fixed string the attributes that are the same in each answer
---@field expires_s integer 0: it ends with the browser
---@field same_site string? but "None" that some browsers misread, see `same_site_for`
---@field conditional boolean
---@field secure string
---@field change_on_failure boolean
---@field sticky_canaries boolean a session stays with the Service that it began with

--- Prepares the filter.
---@param value table
---@return headgate.pin
function _M.new(value)
    local fixed = { "; Path=", value.path, "; HttpOnly" }
    if value.domain ~= "" then
        fixed[#fixed + 1] = "; Domain=" .. value.domain
    end
    if value.max_age_s > 0 then
        fixed[#fixed + 1] = format("; Max-Age=%d", value.max_age_s)
    end
    return {
        name = value.name,
        variable = "cookie_" .. value.name,
        persistent = value.mode == "persistent",
        salt = value.salt,
        fixed = concat(fixed),
        expires_s = value.expires_s,
        same_site = value.same_site ~= "" and value.same_site or nil,
        conditional = value.same_site_conditional,
        secure = value.secure,
        change_on_failure = value.change_on_failure,
        sticky_canaries = value.canaries == "sticky",
    }
end

--- The way in which a route picks its peers by sessions.
---@param pin headgate.pin
---@param base headgate.balance|false|nil how a peer is picked that no session leads to; none: in
---  turn
---@param key string? of the backend; the mark of its cookies is made of it
---@param digest fun(text: string): string in hexadecimal
---@return headgate.balance way
function _M.way(pin, base, key, digest)
    local mark = sub(digest(pin.salt .. "\n" .. (key or "")), 1, _M.MARK_LENGTH)
    return { pin = pin, base = base or nil, mark = mark, sticky = true }
end

-- Browsers that take "None" for "Strict", or refuse the cookie; the list that Chromium has
-- published: www.chromium.org/updates/same-site/incompatible-clients
local function misreads_none(agent)
    if find(agent, "%(iP.+; CPU .*OS 12[_%d]*.*%) AppleWebKit/") then
        return true
    end
    if find(agent, "%(Macintosh;.*Mac OS X 10_14[_%d]*.*%) AppleWebKit/") then
        local chromium = find(agent, "Chrome", 1, true) or find(agent, "Chromium", 1, true)
        local safari = find(agent, "Version/.* Safari/") and not chromium
        local embedded = find(agent, "^Mozilla/[.%d]+ %(Macintosh;.*Mac OS X [_%d]+%) "
            .. "AppleWebKit/[.%d]+ %(KHTML, like Gecko%)$")
        if safari or embedded then
            return true
        end
    end
    local major, minor, build = match(agent, "UCBrowser/(%d+)%.(%d+)%.(%d+)")
    if major then
        major, minor, build = tonumber(major), tonumber(minor), tonumber(build)
        return major < 12 or major == 12 and (minor < 13 or minor == 13 and build < 2)
    end
    local chrome = tonumber(match(agent, "Chrom[^ /]+/(%d+)"))
    return chrome ~= nil and chrome >= 51 and chrome <= 66
end

--- The SameSite of an answer's cookie.
---@param pin headgate.pin
---@param agent string? the client's User-Agent
---@return string? value nil: none is said
function _M.same_site_for(pin, agent)
    if pin.same_site == "None" and pin.conditional and agent
        and #agent <= limits.user_agent_bytes_max and misreads_none(agent)
    then
        return nil
    end
    return pin.same_site
end

return _M
