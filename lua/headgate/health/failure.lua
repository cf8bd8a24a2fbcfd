--- What became of a try at a peer, by nginx's own variables of it.
-- They list all tries of a request: "502, 200".

local match = string.match
local tonumber = tonumber
local ngx = ngx
local var = ngx.var

local _M = {}

-- A connection that was not there after so long is the peer's fault, also if the client left.
local CONNECT_S = 1

-- In the balancer phase the try that is about to begin is an empty word at the end: "502 : ".
local LAST = "([^%s,:]+)[%s,:]*$"

-- The causes: "connect": no connection; "timeout": a connection and no answer in time; "reset": the
-- connection ended, or said what is no HTTP, before the answer's header; "status 502", "503" and
-- "504": the peer says itself that it cannot. All else that it answers is an answer.
local function cause_of(code)
    local header = tonumber(match(var.upstream_header_time or "", LAST))
    if header then
        return (code >= 502 and code <= 504) and "status " .. code or nil
    end
    if code ~= 502 and code ~= 504 then
        return nil
    end
    if not tonumber(match(var.upstream_connect_time or "", LAST)) then
        return "connect"
    end
    return code == 504 and "timeout" or "reset"
end

--- Why the try before failed, in the balancer phase.
---@return string? cause nil where it is no fault of the peer
function _M.of_try_before()
    local code = tonumber(match(var.upstream_status or "", LAST))
    return code and cause_of(code)
end

--- What became of the last try, in the log phase.
---@param status integer that the client got
---@return string? cause
---@return boolean? answered nil and false: it says nothing of the peer
function _M.of_last_try(status)
    local code = tonumber(match(var.upstream_status or "", LAST))
    if status == 499 then
        local waited = tonumber(match(var.upstream_response_time or "", LAST))
        local connected = tonumber(match(var.upstream_connect_time or "", LAST))
        return waited and not connected and waited >= CONNECT_S and "connect" or nil, false
    end
    if not code then
        return nil, false
    end
    if code < 200 and code ~= 101 then
        return "reset", false
    end
    local cause = cause_of(code)
    return cause, not cause and tonumber(match(var.upstream_header_time or "", LAST)) ~= nil
end

return _M
