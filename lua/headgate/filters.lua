--- What a route does beyond balancing: the shapes of its filters, and their prepared form. Pure.
-- When each of them has its turn is decided in headgate.request.

local access = require("headgate.filters.access")
local affinity = require("headgate.filters.affinity")
local app_root = require("headgate.filters.app_root")
local balance = require("headgate.filters.balance")
local basic_auth = require("headgate.filters.basic_auth")
local checks = require("headgate.checks")
local client_certificate = require("headgate.filters.client_certificate")
local cors = require("headgate.filters.cors")
local errors = require("headgate.filters.errors")
local external_auth = require("headgate.filters.external_auth")
local guards = require("headgate.guards")
local headers = require("headgate.filters.headers")
local limit = require("headgate.filters.limit")
local limits = require("headgate.limits")
local links = require("headgate.filters.links")
local redirect = require("headgate.filters.redirect")
local rewrite = require("headgate.filters.rewrite")
local satisfy = require("headgate.guards.satisfy")
local split = require("headgate.filters.split")

local ipairs = ipairs

local _M = {}

local check_list = checks.list(checks.by_kind({
    access = access.check,
    affinity = affinity.check,
    app_root = app_root.check,
    balance = balance.check,
    bandwidth = limit.check_bandwidth,
    basic_auth = basic_auth.check,
    body_limit = checks.object({
        kind = checks.one_of("body_limit"),
        bytes = checks.integer(1, limits.body_bytes_limit_max),
    }),
    client_certificate = client_certificate.check,
    cookie_domain = links.check_cookie("cookie_domain"),
    cookie_path = links.check_cookie("cookie_path"),
    cors = cors.check,
    errors = errors.check,
    external_auth = external_auth.check,
    forwarded_prefix = rewrite.check_forwarded_prefix,
    limit = limit.check,
    location = links.check_location,
    redirect = redirect.check,
    request_headers = headers.check_of("request_headers"),
    response_headers = headers.check_of("response_headers"),
    rewrite = rewrite.check,
    satisfy_any = checks.object({ kind = checks.one_of("satisfy_any") }),
    split = split.check,
    strip = rewrite.check_strip,
    upstream_host = checks.object({
        kind = checks.one_of("upstream_host"),
        name = checks.text(limits.host_bytes_max + 6, "^[%w._%-%[%]:]+$", "a host name"),
    }),
    upstream_tls_name = checks.object({
        kind = checks.one_of("upstream_tls_name"),
        name = checks.text(limits.host_bytes_max, "^[%w._-]+$", "a host name"),
    }),
    variant = checks.object({
        kind = checks.one_of("variant"),
        profile = checks.text(64, "^[a-z][a-z0-9-]*$", "the name of a profile"),
    }),
}), limits.route_filters_max)

-- What fills one place: of two filters in it one would be skipped.
local place = {
    affinity = "affinity", app_root = "app_root", balance = "balance",
    client_certificate = "client_certificate",
    cors = "cors", errors = "errors", external_auth = "external_auth",
    forwarded_prefix = "forwarded_prefix", redirect = "redirect",
    request_headers = "request_headers", response_headers = "response_headers",
    rewrite = "rewrite", satisfy_any = "satisfy", split = "split", strip = "rewrite",
    upstream_host = "upstream_host", upstream_tls_name = "tls_name",
    body_limit = "body_limit", variant = "variant",
    bandwidth = "bandwidth", basic_auth = "basic_auth", limit = "limit",
    cookie_domain = "cookie_domain", cookie_path = "cookie_path", location = "location",
}

--- What the filters of a route may look like.
---@param value any
---@param field string
---@return string? problem
function _M.check(value, field)
    local problem = check_list(value, field)
    if problem then
        return problem
    end
    local taken = {}
    for i, filter in ipairs(value) do
        local of = place[filter.kind]
        if of and taken[of] then
            return field .. "[" .. (i - 1) .. "]: a second filter of its kind"
        elseif of then
            taken[of] = true
        end
    end
end

---@class headgate.filters
---@field guards headgate.guard[]? in their order: those that ask for nothing
---@field asking headgate.guard[]? in their order: those that ask for credentials
---@field client_certificate headgate.client_certificate? the one of the guards
---@field affinity headgate.pin?
---@field app_root string? a Location
---@field balance headgate.balance?
---@field bandwidth { rate: integer, after: integer }? bytes a second, and bytes before they count
---@field cors headgate.cors?
---@field errors headgate.errors?
---@field links headgate.links?
---@field external_auth headgate.guard?
---@field forwarded_prefix (string|integer)[]? text and captures of the rewrite
---@field redirect headgate.redirect?
---@field request_headers headgate.headers?
---@field response_headers headgate.headers?
---@field rewrite table? of headgate.filters.rewrite
---@field split headgate.split?
---@field tls_name string?
---@field upstream_host string?
---@field body_limit integer? bytes
---@field variant string? name of a profile

--- Prepares the filters of a route.
---@param list table[]
---@param regex table headgate.regex
---@return headgate.filters? filters nil where there are none, and where one cannot be used
---@return string? err
function _M.compile(list, regex)
    if #list == 0 then
        return nil
    end
    local filters, any = {}, false
    for _, value in ipairs(list) do
        if value.kind == "access" then
            guards.add(filters, value.kind, access.new(value))
        elseif value.kind == "affinity" then
            filters.affinity = affinity.new(value)
        elseif value.kind == "app_root" then
            filters.app_root = app_root.new(value)
        elseif value.kind == "balance" then
            filters.balance = balance.new(value)
        elseif value.kind == "client_certificate" then
            filters.client_certificate = client_certificate.new(value, regex)
            guards.add(filters, value.kind, filters.client_certificate)
        elseif value.kind == "bandwidth" then
            filters.bandwidth = { rate = value.bytes_per_s, after = value.after_bytes }
        elseif value.kind == "limit" then
            guards.add(filters, value.kind, limit.new(value))
        elseif value.kind == "basic_auth" then
            guards.add(filters, value.kind, basic_auth.new(value))
        elseif value.kind == "cors" then
            filters.cors = cors.new(value)
        elseif value.kind == "errors" then
            filters.errors = errors.new(value)
        elseif value.kind == "external_auth" then
            filters.external_auth = external_auth.new(value)
            guards.add(filters, value.kind, filters.external_auth)
        elseif value.kind == "forwarded_prefix" then
            filters.forwarded_prefix = rewrite.parts_of(value.value)
        elseif value.kind == "location" or value.kind == "cookie_domain"
            or value.kind == "cookie_path"
        then
            filters.links = filters.links or {}
            links.add(filters.links, value)
        elseif value.kind == "redirect" then
            filters.redirect = redirect.new(value)
        elseif value.kind == "request_headers" or value.kind == "response_headers" then
            filters[value.kind] = headers.new(value)
        elseif value.kind == "rewrite" then
            local prepared, err = rewrite.new(value, regex)
            if not prepared then
                return nil, "filters: pattern " .. value.pattern .. ": " .. err
            end
            filters.rewrite = prepared
        elseif value.kind == "satisfy_any" then
            any = true
        elseif value.kind == "split" then
            filters.split = split.new(value, regex)
        elseif value.kind == "strip" then
            filters.rewrite = rewrite.new_strip(value)
        elseif value.kind == "upstream_host" then
            filters.upstream_host = value.name
        elseif value.kind == "body_limit" then
            filters.body_limit = value.bytes
        elseif value.kind == "variant" then
            filters.variant = value.profile
        elseif value.kind == "upstream_tls_name" then
            filters.tls_name = value.name
        else
            return nil, "filters: kind " .. value.kind .. " is not known"
        end
    end
    if any then
        satisfy.any(filters)
    end
    if filters.external_auth then
        filters.external_auth.cors = filters.cors
    end
    return filters
end

return _M
