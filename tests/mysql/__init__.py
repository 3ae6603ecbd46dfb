"""What only MySQL and MariaDB have: procedures that own transactions, definers, waiters, and a deploy that shows."""
