--- The header_filter phase: what a backend may answer.
-- nginx takes whatever a backend says that is no HTTP for an answer of HTTP/0.9 and writes it to
-- the client as it is, and so it does with what follows an interim answer (1xx). On a connection
-- that a proxy in front of us shares among its clients, a backend could answer requests of other
-- hosts.

local affinity = require("headgate.affinity")
local cors = require("headgate.filters.cors")
local health = require("headgate.health")
local headers = require("headgate.filters.headers")
local links = require("headgate.filters.links")

local ipairs, type = ipairs, type
local ngx = ngx
local now = ngx.now
local var = ngx.var

local HTTP_CLOSE = 444

local _M = {}

-- Cookies of a service that let the request pass, as nginx's add_header without "always" has it.
local function add_cookies(status, cookies)
    if status < 200 or status >= 400 then
        return
    end
    local header = ngx.header
    local own = header["Set-Cookie"]
    local all = {}
    for _, list in ipairs({ type(own) == "table" and own or { own }, cookies }) do
        for _, cookie in ipairs(list) do
            all[#all + 1] = cookie
        end
    end
    header["Set-Cookie"] = all
end

-- Over what the backend says of it, for the owner of the Ingress has the last word.
local function share(ctx, rules)
    local header = ngx.header
    if ctx.origin then
        cors.mark(rules, ctx.origin, header)
    end
    if not rules.any then
        cors.vary(header)
    end
end

local function put(name, value)
    ngx.header[name] = value
end

-- The headers that the route says, in place of the backend's.
local function shape(filters)
    local rules = filters.links
    if rules then
        local header = ngx.header
        local location, cookies = header["Location"], header["Set-Cookie"]
        if rules.location and type(location) == "string" then
            header["Location"] = links.location(rules.location, location, var) or location
        end
        if cookies and (rules.cookie_domain or rules.cookie_path) then
            header["Set-Cookie"] = links.cookies(rules, cookies)
        end
    end
    if filters.response_headers then
        headers.apply(filters.response_headers, var, put)
    end
end

--- Runs the phase: sets the headers of the route, marks what pages of other origins may read, and
-- answers 502 for what is no final answer, but for a switch to websocket.
function _M.filter()
    local status = ngx.status
    if status >= 200 or (status == 101 and var.hg_upgrade == "websocket") then
        local ctx = ngx.ctx
        ctx.answered = now()
        if ctx.shapes then
            shape(ctx.shapes)
        end
        local rules = ctx.cors
        if rules then
            share(ctx, rules)
        end
        if ctx.pinned then
            affinity.give(ctx)
        end
        if ctx.probe then
            health.answered(ctx, status)
        end
        local cookies = ctx.auth_cookies
        if cookies then
            add_cookies(status, cookies)
        end
        return
    end
    if status >= 100 then
        ngx.log(ngx.ERR, "the backend's answer is not a final one: ", status)
        return ngx.exit(502)
    end
    ngx.log(ngx.ERR, "the backend's answer is no HTTP/1")
    -- By now nginx speaks HTTP/0.9 with a client of HTTP/1, who would get our answer without its
    -- status line.
    return ngx.exit(var.http2 == "" and HTTP_CLOSE or 502)
end

return _M
