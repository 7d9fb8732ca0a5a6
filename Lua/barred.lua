-- fragment barred: the mark of a hold that is never to be opened, done and nothing charged: 2, 0, 0, {}, false, '', '', {}, {}, 0, false.
local HOLD_BARRED = 'd\2\0\0\144\194\160\160\144\144\0\194'
