--- What a request is sent with: its path, and what the filters of its route say of its headers.

local contexts = require("headgate.contexts")
local headers = require("headgate.filters.headers")
local paths = require("headgate.paths")
local rewrite = require("headgate.filters.rewrite")

local find, sub = string.find, string.sub
local tonumber = tonumber
local ngx = ngx
local var = ngx.var
local clear_header, set_header = ngx.req.clear_header, ngx.req.set_header
local set_uri_args = ngx.req.set_uri_args

local _M = {}

--- The gRPC module takes its path from the request, decoded; nginx encodes it and adds the query.
---@param path string decoded and normalised
---@param uri string as the client wrote it
---@param sent string
function _M.set_grpc_path(path, uri, sent)
    if sent == uri then
        var.hg_path = path
        return
    end
    local question = find(sent, "?", 1, true)
    var.hg_path = paths.decode(question and sub(sent, 1, question - 1) or sent)
    set_uri_args(question and sub(sent, question + 1) or "")
end

local function put(name, value)
    if value then
        set_header(name, value)
    else
        clear_header(name)
    end
end

--- Does to a request what the filters of its route say, once it is known that it is sent.
---@param ctx table of the request
---@param filters headgate.filters
---@param path string decoded and normalised
---@return integer? status it is not sent after all
---@return string? reason
function _M.equip(ctx, filters, path)
    local limit = filters.body_limit
    if limit then
        -- nginx has the limits of its configuration, which may be wider.
        local length = tonumber(var.http_content_length)
        if length and length > limit then
            return 413, "the body has more than " .. limit .. " bytes"
        end
    end
    local bandwidth = filters.bandwidth
    if bandwidth then
        var.limit_rate = bandwidth.rate
        var.hg_limit_rate_after = bandwidth.after
    end
    if filters.tls_name then
        var.hg_tls_name = filters.tls_name
    end
    local certificate = filters.client_certificate
    if certificate and certificate.pass then
        var.hg_client_certificate = var.ssl_client_escaped_cert
    end
    if filters.upstream_host then
        var.hg_vhost = filters.upstream_host
    end
    if filters.forwarded_prefix then
        local prefix = rewrite.fill(filters.rewrite, filters.forwarded_prefix, path)
        if prefix then
            var.hg_prefix = prefix
        end
    end
    if filters.request_headers then
        headers.apply(filters.request_headers, var, put)
    end
    if filters.response_headers or filters.links then
        ctx.shapes = filters
    end
    if filters.errors then
        ctx.errors = filters.errors
        -- Its body may be too long, and then no peer is ever chosen.
        contexts.keep(ctx)
    end
end

return _M
