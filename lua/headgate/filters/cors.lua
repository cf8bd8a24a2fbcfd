--- Which pages of other origins may read a route's answers (Fetch standard, "CORS protocol"). Pure.

local checks = require("headgate.checks")
local limits = require("headgate.limits")

local find, lower, match, sub = string.find, string.lower, string.match, string.sub
local concat = table.concat
local ipairs, type = ipairs, type

local _M = {}

local names = checks.text(limits.text_bytes_max, "^[%w%-_*, ]*$", "a list of names")

--- What its document may look like.
_M.check = checks.object({
    kind = checks.one_of("cors"),
    origins = checks.list(
        checks.text(limits.cors_origin_bytes_max, "^[%*a-z0-9+%-._:/%[%]]+$", "an origin"),
        limits.cors_origins_max
    ),
    methods = names,
    headers = names,
    expose = names,
    credentials = checks.boolean,
    max_age_s = checks.integer(0, limits.cors_max_age_s_max),
})

---@class headgate.cors
---@field any boolean
---@field exact table<string, boolean>
---@field wildcards { before: string, after: string }[]
---@field value table

--- Prepares the filter.
---@param value table
---@return headgate.cors
function _M.new(value)
    local cors = { any = false, exact = {}, wildcards = {}, value = value }
    for _, origin in ipairs(value.origins) do
        local before, after = match(origin, "^(%a[%w+.-]*://)%*(%..+)$")
        if origin == "*" then
            cors.any = true
        elseif before then
            cors.wildcards[#cors.wildcards + 1] = { before = before, after = after }
        else
            cors.exact[origin] = true
        end
    end
    return cors
end

-- A wildcard stands for one label.
local function covered(wildcards, origin)
    for _, one in ipairs(wildcards) do
        local from = #one.before + 1
        local to = #origin - #one.after
        if to >= from and sub(origin, 1, from - 1) == one.before
            and sub(origin, to + 1) == one.after and find(sub(origin, from, to), "^[%w-]+$")
        then
            return true
        end
    end
    return false
end

--- Whether answers are for pages of this origin.
---@param cors headgate.cors
---@param origin string as the client wrote it
---@return boolean
function _M.allows(cors, origin)
    if cors.any then
        return true
    end
    origin = lower(origin)
    return cors.exact[origin] == true or covered(cors.wildcards, origin)
end

--- The headers of an answer.
---@param cors headgate.cors
---@param origin string that is allowed
---@param header table set by name
function _M.mark(cors, origin, header)
    local value = cors.value
    -- Never any origin with credentials: each page of the web could act for its visitor.
    header["Access-Control-Allow-Origin"] = cors.any and "*" or origin
    if value.credentials and not cors.any then
        header["Access-Control-Allow-Credentials"] = "true"
    end
    if value.expose ~= "" then
        header["Access-Control-Expose-Headers"] = value.expose
    end
end

--- Tells caches that the answer is for one origin.
---@param header table set by name
function _M.vary(header)
    local before = header["Vary"]
    if type(before) == "table" then
        before = concat(before, ", ")
    end
    header["Vary"] = before and before .. ", Origin" or "Origin"
end

--- The further headers of an answer to a preflight.
---@param cors headgate.cors
---@param header table set by name
function _M.permit(cors, header)
    local value = cors.value
    header["Access-Control-Allow-Methods"] = value.methods
    header["Access-Control-Allow-Headers"] = value.headers
    header["Access-Control-Max-Age"] = value.max_age_s
end

return _M
