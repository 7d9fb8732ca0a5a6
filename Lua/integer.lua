-- fragment integer: integers below 2^53 as plain digits; Redis 7.2 and later write large Lua numbers as 1e+15 on their own.
local function integer(number) return string.format('%d', number) end
