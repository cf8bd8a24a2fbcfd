--- Hosts that have a guarded route: no path gets through that a backend could read otherwise than
-- the router does. Pure.

local paths = require("headgate.paths")
local router = require("headgate.router")

local find, sub = string.find, string.sub
local ipairs = ipairs
local match = router.match

local _M = {}

--- The URI to be sent.
---@param host headgate.host whose table decides
---@param path string decoded and normalised
---@param uri string as the client wrote it
---@return string? uri
---@return integer? status without a URI: what is answered
---@return string? reason
function _M.uri(host, path, uri)
    local question = find(uri, "?", 1, true)
    local raw = question and sub(uri, 1, question - 1) or uri
    if raw == path and not find(raw, "[;\\#]") then
        return uri
    end
    local sent, reason = paths.strict(raw)
    if not sent then
        return nil, 400, reason
    end
    local judged = paths.decode(sent)
    if judged ~= path then
        return nil, 400, "path has two readings"
    end
    if find(judged, "[;?#%%]") then
        local readings
        readings, reason = paths.readings(judged)
        if not readings then
            return nil, 400, reason
        end
        local key = match(host, judged)
        for _, reading in ipairs(readings) do
            if match(host, reading) ~= key then
                return nil, 400, "path has a reading of another route"
            end
        end
    end
    return question and sent .. sub(uri, question) or sent
end

return _M
