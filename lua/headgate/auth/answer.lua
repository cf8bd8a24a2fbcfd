--- An answer of HTTP/1 from a service that is asked by Lua, read strictly. Pure: bytes come from a
-- function. What is not plainly one answer (RFC 9112) is none: there is no guessing where it ends,
-- for the connection is kept and the next answer on it decides about somebody else.

local limits = require("headgate.limits")

local find, gmatch, lower, match, sub = string.find, string.gmatch, string.lower, string.match,
    string.sub
local concat = table.concat
local tonumber = tonumber

local _M = {}

---@class headgate.auth_answer
---@field status integer
---@field headers table<string, string[]> values by name in lower case
---@field body string? nil where it was too long to be read
---@field keep boolean whether the connection can be used again

-- Gives true, or nil and an error: "closed", "timeout" or what the source says.
local function fill(source)
    local bytes, err = source.more()
    if not bytes then
        return nil, err
    end
    source.buffer = source.buffer .. bytes
    return true
end

local function take(source, count)
    local bytes = sub(source.buffer, 1, count)
    source.buffer = sub(source.buffer, count + 1)
    return bytes
end

-- All up to a mark, which is taken too.
local function take_until(source, mark, bytes_max)
    local from = 1
    while true do
        local first, last = find(source.buffer, mark, from, true)
        if first and first - 1 <= bytes_max then
            local bytes = sub(source.buffer, 1, first - 1)
            source.buffer = sub(source.buffer, last + 1)
            return bytes
        end
        if first or #source.buffer > bytes_max + #mark then
            return nil, "too long"
        end
        from = #source.buffer - #mark + 2
        from = from > 1 and from or 1
        local ok, err = fill(source)
        if not ok then
            return nil, err
        end
    end
end

-- A field by its line: a name that is a token, a value without control bytes. A line that goes on
-- in the next one begins with a space, and so has no name.
local function field_of(line)
    local name, value = match(line, "^([%w!#$%%&'*+%-.^_`|~]+):[ \t]*(.*)$")
    if not name or find(value, "[%z\1-\8\10-\31\127]") then
        return nil
    end
    return lower(name), (match(value, "^(.-)[ \t]*$"))
end

local function read_head(source)
    -- Else a service that speaks something else, and waits, would be waited for.
    while #source.buffer < 7 do
        local ok, err = fill(source)
        if not ok then
            return nil, err
        end
    end
    if sub(source.buffer, 1, 7) ~= "HTTP/1." then
        return nil, "no HTTP/1"
    end
    local head, err = take_until(source, "\r\n\r\n", limits.auth_head_bytes_max)
    if not head then
        return nil, err == "too long" and "headers too long" or err
    end
    local line, rest = match(head .. "\r\n", "^(.-)\r\n(.*)$")
    local minor, status, reason = match(line, "^HTTP/1%.([01]) ([1-5]%d%d)(.*)$")
    if not minor or find(reason, "^[^ ]") or find(reason, "[%z\1-\8\10-\31\127]") then
        return nil, "bad status line"
    end
    local headers, count = {}, 0
    for text in gmatch(rest, "(.-)\r\n") do
        local name, value = field_of(text)
        count = count + 1
        if not name or count > limits.auth_fields_max then
            return nil, "bad header"
        end
        local values = headers[name] or {}
        headers[name] = values
        values[#values + 1] = value
    end
    return { status = tonumber(status), headers = headers, minor = minor }
end

-- How a body is delimited: "none", "chunked", "length" with its number, "close"; nil: nobody knows.
local function framing(answer, method)
    local lengths, codings = answer.headers["content-length"], answer.headers["transfer-encoding"]
    if lengths and codings then
        return nil
    end
    local length = lengths and lengths[1]
    if lengths then
        for i = 1, #lengths do
            if lengths[i] ~= length or not find(length, "^%d+$") or #length > 15 then
                return nil
            end
        end
    end
    if codings and (#codings > 1 or lower(codings[1]) ~= "chunked" or answer.minor == "0") then
        return nil
    end
    if method == "HEAD" or answer.status == 204 or answer.status == 304 then
        return "none"
    end
    if codings then
        return "chunked"
    end
    if length then
        return "length", tonumber(length)
    end
    return "close"
end

local function read_length(source, length)
    if length > limits.auth_body_bytes_max then
        return nil
    end
    while #source.buffer < length do
        local ok, err = fill(source)
        if not ok then
            return nil, err
        end
    end
    return take(source, length)
end

local function read_close(source)
    while true do
        local ok, err = fill(source)
        if not ok then
            if err ~= "closed" then
                return nil, err
            end
            return take(source, #source.buffer)
        end
        if #source.buffer > limits.auth_body_bytes_max then
            return nil
        end
    end
end

local function read_trailers(source)
    local total = 0
    while true do
        local line, err = take_until(source, "\r\n", limits.auth_head_bytes_max)
        if not line then
            return nil, err
        end
        if line == "" then
            return true
        end
        total = total + #line
        if total > limits.auth_head_bytes_max or not field_of(line) then
            return nil, "bad trailer"
        end
    end
end

local function read_chunks(source)
    local chunks, total = {}, 0
    while true do
        local line, err = take_until(source, "\r\n", limits.auth_chunk_line_bytes_max)
        if not line then
            return nil, err
        end
        local digits, rest = match(line, "^(%x+)(.*)$")
        if not digits or #digits > 8 or find(rest, "[%z\1-\8\10-\31\127]")
            or (rest ~= "" and not find(rest, "^[ \t]*;"))
        then
            return nil, "bad chunk"
        end
        local size = tonumber(digits, 16)
        if size == 0 then
            local ok, fault = read_trailers(source)
            if not ok then
                return nil, fault
            end
            return concat(chunks)
        end
        total = total + size
        if total > limits.auth_body_bytes_max then
            return nil
        end
        while #source.buffer < size + 2 do
            local ok, fault = fill(source)
            if not ok then
                return nil, fault
            end
        end
        chunks[#chunks + 1] = take(source, size)
        if take(source, 2) ~= "\r\n" then
            return nil, "bad chunk"
        end
    end
end

local function read_body(source, answer, method)
    local how, length = framing(answer, method)
    if not how then
        return nil, "no telling where it ends"
    elseif how == "none" then
        return ""
    elseif how == "length" then
        return read_length(source, length)
    elseif how == "chunked" then
        return read_chunks(source)
    end
    answer.until_close = true
    return read_close(source)
end

local function says_close(headers)
    for _, value in ipairs(headers["connection"] or {}) do
        for token in gmatch(lower(value), "[^, \t]+") do
            if token == "close" then
                return true
            end
        end
    end
    return false
end

--- Reads one final answer.
---@param more fun(): string?, string? the next bytes, at least one; nil and "closed" at the end
---@param method string of the request
---@return headgate.auth_answer? answer
---@return string? err
function _M.read(more, method)
    local source = { more = more, buffer = "" }
    local answer, err
    for _ = 1, limits.auth_interim_max + 1 do
        answer, err = read_head(source)
        if not answer then
            return nil, err
        end
        if answer.status >= 200 then
            break
        end
        -- Nothing was asked for that it could switch to.
        if answer.status == 101 then
            return nil, "switches protocols"
        end
        answer = nil
    end
    if not answer then
        return nil, "too many interim answers"
    end
    local body, fault = read_body(source, answer, method)
    if fault then
        return nil, fault
    end
    return {
        status = answer.status,
        headers = answer.headers,
        body = body,
        -- Bytes behind the answer belong to none: what follows them cannot be told either.
        keep = body ~= nil and not answer.until_close and source.buffer == ""
            and answer.minor == "1" and not says_close(answer.headers),
    }
end

return _M
