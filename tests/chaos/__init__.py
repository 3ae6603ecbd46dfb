"""Workers, connections and databases fail under load; an audit says whether a job was lost, or had its effect twice."""
