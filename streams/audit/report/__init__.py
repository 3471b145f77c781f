"""The weekly report for the meeting of marketing and sales: gathered, drawn, one file of HTML."""
