--- Addresses and networks as bytes in network order: 4 of IPv4, 16 of IPv6. Pure.
-- LuaJIT compares strings byte by byte, so a set of networks is two sorted lists of ranges.

local byte, char, find = string.byte, string.char, string.find
local match, rep, sub = string.match, string.rep, string.sub
local concat, floor, sort = table.concat, math.floor, table.sort
local ipairs, tonumber = ipairs, tonumber

local _M = {}

-- ::ffff:0:0/96, what an IPv6 socket shows of a client that speaks IPv4 (RFC 4291, 2.5.5.2).
local MAPPED = rep("\0", 10) .. "\255\255"

---@class headgate.ranges
---@field first string[] sorted, no range touches another
---@field last string[]

---@class headgate.networks
---@field v4 headgate.ranges
---@field v6 headgate.ranges

local function parse_v4(text)
    local octets = { match(text, "^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
    if #octets ~= 4 then
        return nil
    end
    for i, octet in ipairs(octets) do
        if #octet > 3 or tonumber(octet) > 255 or (#octet > 1 and byte(octet) == 48) then
            return nil
        end
        octets[i] = char(tonumber(octet))
    end
    return concat(octets)
end

-- The bytes of groups with a colon between them; the last may be an IPv4 address.
local function parse_groups(text)
    if text == "" then
        return ""
    end
    local out = {}
    local count, at = 0, 1
    while true do
        local colon = find(text, ":", at, true)
        local group = sub(text, at, colon and colon - 1 or -1)
        count = count + 1
        if find(group, "^%x%x?%x?%x?$") then
            local number = tonumber(group, 16)
            out[count] = char(floor(number / 256), number % 256)
        else
            out[count] = not colon and parse_v4(group) or nil
            if not out[count] then
                return nil
            end
        end
        if not colon then
            return concat(out)
        end
        at = colon + 1
    end
end

local function parse_v6(text)
    local head, tail = match(text, "^(.-)::(.*)$")
    if not head then
        local bytes = parse_groups(text)
        return bytes and #bytes == 16 and bytes or nil
    end
    if find(tail, "::", 1, true) or find(head, ".", 1, true) then
        return nil
    end
    head, tail = parse_groups(head), parse_groups(tail)
    if not head or not tail or #head + #tail > 14 then
        return nil
    end
    return head .. rep("\0", 16 - #head - #tail) .. tail
end

--- The bytes of an address as text. An IPv4 address in IPv6 clothes is 16 bytes here.
---@param text string
---@return string? bytes nil where it is none
function _M.address(text)
    return find(text, ":", 1, true) and parse_v6(text) or parse_v4(text)
end

local function with_host_bits(bytes, bits, fill)
    local whole = floor(bits / 8)
    local out = sub(bytes, 1, whole)
    local rest = bits % 8
    if rest > 0 then
        local size = 2 ^ (8 - rest)
        local octet = byte(bytes, whole + 1)
        out = out .. char(octet - octet % size + (fill and size - 1 or 0))
    end
    return out .. rep(fill and "\255" or "\0", #bytes - #out)
end

--- The first and last address of a network.
---@param text string address, slash, length; no host bit set
---@return string? first
---@return string? last
function _M.parse(text)
    local address, length = match(text, "^([^/]+)/(%d%d?%d?)$")
    local bytes = address and _M.address(address)
    local bits = tonumber(length)
    if not bytes or bits > #bytes * 8 or (#length > 1 and byte(length) == 48) then
        return nil
    end
    local first = with_host_bits(bytes, bits, false)
    if first ~= bytes then
        return nil
    end
    return first, with_host_bits(bytes, bits, true)
end

-- Of two networks one holds the other or they have nothing in common, so what begins inside of the
-- range before is all of it inside.
local function ranges(list)
    sort(list, function(a, b)
        if a[1] ~= b[1] then
            return a[1] < b[1]
        end
        return a[2] > b[2]
    end)
    local first, last, count = {}, {}, 0
    for _, range in ipairs(list) do
        if count == 0 or range[1] > last[count] then
            count = count + 1
            first[count], last[count] = range[1], range[2]
        end
    end
    return { first = first, last = last }
end

local function plain(first, last)
    if #first == 16 and sub(first, 1, 12) == MAPPED and sub(last, 1, 12) == MAPPED then
        return sub(first, 13), sub(last, 13)
    end
    return first, last
end

--- A set of networks.
---@param list string[] as `parse` takes them
---@return headgate.networks
function _M.compile(list)
    local v4, v6 = {}, {}
    for _, text in ipairs(list) do
        local first, last = _M.parse(text)
        first, last = plain(first, last)
        local of = #first == 4 and v4 or v6
        of[#of + 1] = { first, last }
    end
    return { v4 = ranges(v4), v6 = ranges(v6) }
end

--- Whether a set holds an address. No set holds what is no address.
---@param networks headgate.networks
---@param bytes string 4 or 16, IPv4 as 4
---@return boolean
function _M.contains(networks, bytes)
    local of = #bytes == 4 and networks.v4 or networks.v6
    local first = of.first
    local low, high = 1, #first
    while low <= high do
        local middle = floor((low + high) / 2)
        if first[middle] <= bytes then
            low = middle + 1
        else
            high = middle - 1
        end
    end
    return high > 0 and bytes <= of.last[high]
end

--- A client's address for `contains`: an IPv4 client of an IPv6 socket counts as IPv4.
---@param bytes string? as nginx's $binary_remote_addr; empty for a unix socket
---@return string? bytes nil where it is no address
function _M.client(bytes)
    if not bytes then
        return nil
    end
    if #bytes == 16 and sub(bytes, 1, 12) == MAPPED then
        return sub(bytes, 13)
    end
    return (#bytes == 4 or #bytes == 16) and bytes or nil
end

return _M
