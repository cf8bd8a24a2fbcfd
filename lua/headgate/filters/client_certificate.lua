--- Whether the certificate that a client showed in its handshake lets a request through.
-- nginx verifies it, in the server block of the policy, whose first server name, which $server_name
-- is, is the policy's own. What is decided here is whether the handshake was of that policy and of
-- this host, and what its result means for the route.

local checks = require("headgate.checks")
local limits = require("headgate.limits")

local lower, sub = string.lower, string.sub
local require = require

local _M = {}

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("client_certificate"),
    policy = checks.text(limits.policy_name_bytes_max, "^[a-z][a-z0-9-]*$", "the name of a policy"),
    verify = checks.one_of("on", "optional", "optional_no_ca"),
    match = checks.text(limits.pattern_bytes_max),
    error_page = checks.or_empty(
        checks.text(limits.path_bytes_max, "^https?://[!-~]+$", "an http or https URL")
    ),
    pass = checks.boolean,
})

-- Loaded when a request is judged: it knows documents, whose shapes are checked with this file.
local https

local function refused(guard, reason)
    if guard.error_page then
        return 302, guard.error_page
    end
    return 400, reason
end

-- The name of the handshake. Of a session of TLS 1.2 that was resumed it is the first handshake's,
-- and so is the server block that nginx chose.
local function shaken_for()
    local name = ngx.var.ssl_server_name
    if not name then
        return nil
    end
    name = lower(name)
    return sub(name, -1) == "." and sub(name, 1, -2) or name
end

local function judge_certificate(guard)
    local var = ngx.var
    local verified = var.ssl_client_verify
    if guard.needed and verified ~= "SUCCESS" then
        return refused(guard, "no verified client certificate: " .. (verified or "NONE"))
    end
    if not guard.match then
        return nil
    end
    local matches, err = guard.regex.test(guard.match, var.ssl_client_s_dn or "")
    if err then
        return 503, err
    end
    if not matches then
        return 403, "the subject of the client's certificate is not one of those let in"
    end
end

-- Without TLS to this machine there is no certificate: in the clear nothing is served.
local function judge_insecure(request)
    if https.is_secure(request.as) then
        return 403, "TLS ended before this machine: there is no client certificate"
    end
    return https.redirect_code, https.location(request.host, request.uri)
end

local function judge(guard, request)
    https = https or require("headgate.https")
    local as = request.as
    if as then
        if not as.secure then
            return judge_insecure(request)
        end
        return nil
    end
    if ngx.var.https ~= "on" then
        return judge_insecure(request)
    end
    if ngx.var.server_name ~= guard.policy or shaken_for() ~= request.host then
        return 421, "the handshake was not for this host and its client certificates"
    end
    return judge_certificate(guard)
end

local function note(_, request)
    return request.as.secure and "client certificates are left out" or nil
end

---@class headgate.client_certificate: headgate.guard
---@field policy string
---@field needed boolean nobody is let in without a verified certificate
---@field match table? what its subject must match
---@field error_page string?
---@field pass boolean the certificate is sent to the backend

--- Prepares the guard. A pattern that cannot be compiled closes the route when it is used: were the
-- document refused, the one before it, which may have no guard, would stay.
---@param value table
---@param regex table headgate.regex
---@return headgate.client_certificate
function _M.new(value, regex)
    return {
        judge = judge,
        note = note,
        policy = value.policy,
        needed = value.verify == "on",
        regex = regex,
        -- Names in certificates are compared as they are written.
        match = value.match ~= "" and regex.new("(?-i)" .. value.match) or nil,
        error_page = value.error_page ~= "" and value.error_page or nil,
        pass = value.pass,
    }
end

return _M
