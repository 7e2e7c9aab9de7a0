CREATE TABLE customers (
  cust_id INTEGER,
  company TEXT,
  plan_cd TEXT, -- F free, P pro, E enterprise
  country TEXT,
  seats INTEGER,
  since TEXT,
  churned_on TEXT
);
CREATE TABLE agents (
  agent_id INTEGER,
  full_name TEXT,
  team TEXT,
  tier INTEGER,
  lead_id INTEGER,
  active INTEGER
);
CREATE TABLE sla_classes (
  sla_cd TEXT,
  descr TEXT,
  first_resp_min INTEGER,
  resolve_hrs INTEGER
);
CREATE TABLE tickets (
  tkt_no INTEGER,
  cust_id INTEGER,
  agent_id INTEGER, -- NULL = unassigned
  sla_cd TEXT,
  prio INTEGER, -- 1 = most urgent
  status TEXT, -- N new, O open, P pending customer, R resolved, C closed
  channel TEXT, -- E email, T telephone, W web form, C chat
  category TEXT,
  opened_ms INTEGER, -- epoch milliseconds, UTC
  closed_ms INTEGER,
  csat INTEGER, -- 1..5
  dup_of INTEGER,
  is_test INTEGER
);
CREATE TABLE ticket_events (
  ev_id INTEGER,
  tkt_no INTEGER,
  ev_type TEXT, -- CRE created, ASG assigned, RPL reply, NTE internal note, ESC escalated, REO reopened, RES resolved
  agent_id INTEGER, -- NULL = customer or system
  ts_ms INTEGER,
  mins_spent INTEGER
);
INSERT INTO sla_classes VALUES ('PLT','Platinum',15,8),('GLD','Gold',60,24),('SLV','Silver',240,72),('BRZ','Bronze',480,120),('TRL','Trial',1440,240);
INSERT INTO agents VALUES (1,'Rosalind Keane','Billing',3,NULL,1),(2,'Mehmet Arslan','Billing',1,1,1),(3,'Lotte Vrieling','Billing',2,1,0),
(4,'Gustavo Prado','Platform',3,NULL,1),(5,'Hye-jin Seo','Platform',2,4,1),(6,'Barnaby Locke','Platform',1,4,1),(7,'Nkechi Umeh','Platform',1,4,1),
(8,'Fionn Daly','Integrations',3,NULL,1),(9,'Sunita Rao','Integrations',2,8,1),(10,'Viktor Hladky','Integrations',1,8,0),(11,'Cleo Maddox','Onboarding',2,NULL,1),(12,'Elio Santini','Onboarding',1,11,1);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<120)
INSERT INTO customers SELECT 900+i, ('["Quillon","Marlowe","Brightwater","Oakhaven","Pinetop","Zephyr","Lumen","Castellan","Driftwood","Northgate","Saffron"]'->>(i*4%11))||' '||('["Logistics","Dental","Media","Robotics","Bakeries","Energy","Insurance","Travel","Optics","Labs","Hotels","Legal"]'->>(i*5%12)),
 '["F","P","P","E","F","P","E"]'->>((i*3+i/7)%7), '["DE","US","GB","US","FR","NL","US","BR","IN"]'->>((i*7+i/9)%9), 3+(i*i*13+i*37)%241,
 date('2019-02-01','+'||((i*311+i*i)%1900)||' days'), CASE WHEN (i*29)%17 IN (6,11,2) THEN date('2024-05-01','+'||((i*41)%280)||' days') END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<760),
t AS (SELECT i, 1646100000000+((i*78713+i*i*311)%94007)*1000000+(i*7919%997)*1003 o, '["N","O","P","R","C","C","R","C","C","O","C","R","C"]'->>((i*5+i/13)%13) s, 901+(i*i*3+i*41+i/5*2)%(CASE WHEN i%7=0 THEN 19 ELSE 113 END) c FROM n)
INSERT INTO tickets SELECT 50000+i, c, CASE WHEN s='N' OR i%37=11 THEN NULL ELSE 1+(i*7+i/6+i*i)%11 END,
 CASE plan_cd WHEN 'F' THEN 'BRZ' WHEN 'P' THEN '["SLV","GLD","SLV"]'->>(c%3) ELSE '["GLD","PLT"]'->>(c%2) END,
 '[3,2,4,3,1,2,3,4,3]'->>((i*4+i/9)%9), CASE WHEN o<1726000000000 AND s IN ('N','P') THEN 'C' WHEN o<1715000000000 AND s='O' THEN 'R' ELSE s END, '["E","W","E","T","C","E","W","C"]'->>((i*3+i/8)%8),
 '["login","invoice","api","crash","billing address","import","slow","feature request","refund","login","api","invoice","login","crash"]'->>((i*5+i/9)%14), o,
 CASE WHEN s IN ('R','C') OR (o<1726000000000 AND s IN ('N','P')) OR (o<1715000000000 AND s='O') THEN o+(900+(i*i*577+i*1237)%331000)*1000+(i*331)%1000 END,
 CASE WHEN s IN ('R','C') AND (i*23)%10<5 THEN '[5,4,5,3,1,4,2,5]'->>((i*11+i/7)%8) END, CASE WHEN i%53=20 THEN 50000+i-(i*7)%19-1 END, CASE WHEN i%97=40 THEN 1 ELSE 0 END
 FROM t JOIN customers ON cust_id=c;
INSERT INTO ticket_events SELECT 300000+row_number() OVER (ORDER BY opened_ms+k*7, tkt_no, k), tkt_no, y, CASE WHEN y IN ('CRE') OR (y='RPL' AND (tkt_no*5+k)%3=0) OR y='REO' THEN NULL ELSE agent_id END,
 CASE y WHEN 'CRE' THEN opened_ms WHEN 'RES' THEN closed_ms ELSE CASE WHEN closed_ms IS NOT NULL THEN opened_ms+(closed_ms-opened_ms)/36*(k-2)*(k-2)+(closed_ms-opened_ms)/3700*((tkt_no*31+k*17)%97) ELSE opened_ms+(k-1)*(120+(tkt_no*tkt_no*7+tkt_no*k*61)%(240+60*prio))*37000+(tkt_no*k)%977 END END,
 CASE WHEN y IN ('ASG','RPL','NTE','ESC') AND (tkt_no*3+k)%8<>1 THEN 2+(tkt_no*13+k*29)%43 END
 FROM (SELECT tickets.*, k, CASE WHEN k=1 THEN 'CRE' WHEN k=2 THEN 'ASG' WHEN k=8 THEN 'RES' WHEN k IN (5,6) AND tkt_no%9=0 THEN 'ESC' WHEN k=3 OR k=4 THEN 'RPL' WHEN k=7 THEN CASE WHEN tkt_no%6=0 THEN 'REO' ELSE 'RPL' END ELSE '["RPL","NTE","ESC","RPL","NTE"]'->>((tkt_no*3+k+tkt_no/11)%5) END y
 FROM tickets JOIN (SELECT 1 k UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8))
 WHERE k=1 OR (k=2 AND agent_id IS NOT NULL) OR (k=8 AND closed_ms IS NOT NULL) OR (k BETWEEN 3 AND 7 AND agent_id IS NOT NULL AND k-3 < 1+(tkt_no*7+tkt_no/13)%5-(prio=4));
