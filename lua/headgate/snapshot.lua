--- Fills empty shared memory from the snapshot on disk, so that nginx serves without the agent.
-- The format is in docs/dataplane-api.md. The snapshot before the current one is used only where
-- no policy in it is weaker than a newer one was known to be (`policy_floor`).

local documents = require("headgate.documents")
local store = require("headgate.store")
local version = require("headgate.version")

local format, find, sub, gmatch = string.format, string.find, string.sub, string.gmatch

local _M = {}

local function read(path)
    local file = io.open(path, "rb")
    if not file then
        return nil, path .. " cannot be opened"
    end
    local text = file:read("*a")
    file:close()
    if not text then
        return nil, path .. " cannot be read"
    end
    return text
end

-- The lines of one generation, after its head was held against them.
local function verified(directory, generation)
    local path = directory .. "/documents-" .. format("%d", generation) .. ".ndjson"
    local text, err = read(path)
    if not text then
        return nil, err
    end
    local cut = find(text, "\n", 1, true)
    local head = cut and store.decode(sub(text, 1, cut - 1))
    if type(head) ~= "table" then
        return nil, path .. " has no head"
    end
    if type(head.schema) == "number" and head.schema > version.schema then
        return nil, format("%s has schema %d, newer than %d which is spoken here",
            path, head.schema, version.schema)
    end
    local body = sub(text, cut + 1)
    if format("%08x", ngx.crc32_long(body)) ~= head.crc32 then
        return nil, path .. " does not match its checksum"
    end
    local lines = {}
    for line in gmatch(body, "[^\n]+") do
        lines[#lines + 1] = line
    end
    if head.schema ~= version.schema or head.generation ~= generation or head.lines ~= #lines then
        return nil, path .. " does not match its head"
    end
    return lines
end

local function apply(lines)
    for _, text in ipairs(lines) do
        local line, err = store.decode(text)
        local ok
        if line ~= nil then
            ok, err = documents.check_line(line, store.null)
        end
        if not ok then
            store.report("snapshot: a line is skipped: " .. tostring(err))
        elseif line.value ~= store.null then
            local result = store.put(line.kind, line.key, line.generation, text)
            if result == "no-memory" then
                store.report("snapshot: no memory for " .. line.kind .. " " .. line.key)
            end
        end
    end
end

local function usable(manifest)
    return type(manifest) == "table" and documents.is_generation(manifest.current)
end

--- Loads the current snapshot, else the one before it where that is allowed.
---@param directory string
---@return integer? generation what was loaded; nil where there was nothing, or nothing usable
function _M.load(directory)
    local text = read(directory .. "/manifest.json")
    if not text then
        return nil
    end
    local manifest, err = store.decode(text)
    if not usable(manifest) then
        store.report("snapshot: " .. directory .. "/manifest.json cannot be used: "
            .. (err or "no current generation"))
        return nil
    end
    local lines
    lines, err = verified(directory, manifest.current)
    if lines then
        apply(lines)
        return manifest.current
    end
    store.report("snapshot: skipped: " .. err)
    local previous = manifest.previous
    if not documents.is_generation(previous) then
        return nil
    end
    local floor = manifest.policy_floor
    if type(floor) ~= "number" or previous < floor then
        store.report(format("snapshot: generation %d is not used: its policies are weaker than"
            .. " those of generation %s", previous, tostring(floor)))
        return nil
    end
    lines, err = verified(directory, previous)
    if lines then
        apply(lines)
        return previous
    end
    store.report("snapshot: skipped: " .. err)
    return nil
end

return _M
