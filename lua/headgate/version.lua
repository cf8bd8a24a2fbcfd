--- The version of this code, and the schema of documents that it reads.

---@class headgate.version
local _M = {
    version = "0.1.0",
    schema = 1,
}

return _M
