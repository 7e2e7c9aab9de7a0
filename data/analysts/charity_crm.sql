CREATE TABLE Donors (
  "Donor ID" INTEGER,
  "First Name" TEXT,
  "Last Name" TEXT,
  "Town" TEXT, "Postcode" TEXT,
  "E-mail" TEXT, "Phone" TEXT,
  "Donor Type" TEXT,        -- I = individual, O = organisation, T = trust
  "Date Added" TEXT,        -- DD/MM/YYYY
  "Date of Birth" TEXT,
  "Gift Aid" TEXT,          -- Y / N / blank = never asked
  "Do Not Mail" INTEGER,
  "Do Not Email" INTEGER,
  "Deceased" INTEGER,
  "Major Donor" INTEGER
);
CREATE TABLE Campaigns (
  "Campaign Code" TEXT,
  "Campaign Name" TEXT,
  "Start Date" TEXT,
  "End Date" TEXT,          -- empty while it runs
  "Target" REAL,
  "Cost" REAL,
  "Manager" TEXT
);
CREATE TABLE Gifts (
  "Gift No" INTEGER,
  "Donor" INTEGER,
  "Campaign" TEXT,          -- NULL = not in answer to any campaign
  "Gift Date" TEXT,
  "Amount" REAL,
  "Method" TEXT,            -- CASH, CHQ, DD, CARD, BACS
  "Gift Aid Claimed" INTEGER,
  "Anonymous" INTEGER,
  "Thanked On" TEXT,
  "Notes" TEXT
);
CREATE TABLE Pledges (
  "Pledge No" INTEGER,
  "Donor" INTEGER,
  "Campaign" TEXT,
  "Pledge Date" TEXT,
  "Amount Pledged" REAL,
  "Amount Paid" REAL,
  "Due Date" TEXT,
  "Status" TEXT             -- O open, P paid, L lapsed, W written off
);
CREATE TABLE Events (
  "Event ID" INTEGER,
  "Event Name" TEXT,
  "Event Date" TEXT,
  "Venue" TEXT,
  "Ticket Price" REAL,
  "Capacity" INTEGER,
  "Campaign" TEXT
);
CREATE TABLE "Event Guests" ("Event" INTEGER, "Donor" INTEGER, "Tickets" INTEGER, "Attended" TEXT, "Dietary Notes" TEXT);
INSERT INTO Campaigns VALUES
('WIN21','Winter Warmth 2021','2021-11-01','2022-01-31',15000,3200,'Priya Nair'),
('SPR22','Spring Appeal 2022','2022-03-01','2022-05-31',9000,1850,'Colin Strand'),
('WIN22','Winter Warmth 2022','2022-11-01','2023-01-31',18000,3900,'Priya Nair'),
('ROOF','Mend the Roof','2022-06-15','2023-06-14',30000,5200,'Judith Pell'),
('SPR23','Spring Appeal 2023','2023-03-01','2023-05-31',10000,1700,'Colin Strand'),
('WIN23','Winter Warmth 2023','2023-11-01','2024-01-31',20000,4150,'Priya Nair'),
('MINI','New Minibus','2024-02-01',NULL,24000,2600,'Judith Pell'),
('LEG','Legacy Giving',NULL,NULL,NULL,900,NULL),
('SPR24','Spring Appeal 2024','2024-03-01','2024-05-31',11000,NULL,'Oluwaseun Bright'),
('YTH25','Youth Hub 2025','2025-01-10',NULL,40000,0,'Oluwaseun Bright');
INSERT INTO Events VALUES
(1,'Carol Concert 2022','2022-12-11','St Anne''s Hall',12,140,'WIN22'),(2,'Garden Fete','2023-06-24','Orchard House',5,300,'ROOF'),
(3,'Quiz Night','2023-03-17','The Old Bakery',8,80,NULL),(4,'Carol Concert 2023','2023-12-10','St Anne''s Hall',14,140,'WIN23'),
(5,'Minibus Gala Dinner','2024-04-20','Riverside Hotel',65,120,'MINI'),(6,'Sponsored Walk','2024-06-09','Hollin Moor',0,NULL,'MINI'),
(7,'Volunteer Thank You','2024-09-28','The Old Bakery',0,60,NULL),(8,'Quiz Night','2024-10-18','The Old Bakery',10,80,NULL),
(9,'Youth Hub Launch','2025-02-15','Orchard House',20,90,'YTH25');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<240)
INSERT INTO Donors SELECT 1000+i,
 CASE WHEN i%12=5 THEN NULL ELSE json_extract('["Margaret","David","Anita","Gerald","Sunita","Peter","Hazel","Rory","Beatrice","Callum","Joan","Winston","Elspeth","Tariq","Moira","Kenneth","Ling"]','$['||((i*50021%65521)%17)||']') END,
 CASE WHEN i%12=5 THEN json_extract('["Brackley Bakers Ltd","Hartwell Trust","St Cuthbert''s Parish","Loxley Motors","The Amberley Foundation","Tarn Valley Rotary","Finch & Sons","Moss Bank School","Greystone Trust","Pickering Dairy","Co-operative Women''s Guild","Redfern Solicitors","Oakapple Cafe","Calder Foundation","Whinfield Hotel","Lister Engineering","Saltaire Choir","Kirkby Scouts","Dunmore Trust","Beacon Credit Union"]','$['||(i/12)||']')
 ELSE json_extract('["Ashworth","Bainbridge","Chaudhry","Dobson","Eastwood","Fairclough","Greenhalgh","Hussain","Ingham","Jessop","Kershaw","Lomax"]','$['||((i*38873%52009)%12)||']') END,
 json_extract('["Hebden","Skipton","Otley","Ilkley","Keighley","Hebden","Settle",null,"Skipton"]','$['||((i*27409%40009)%9)||']'),
 'BD'||(1+(i*7)%23)||' '||((i*3)%9+1)||'XY',
 CASE WHEN (i*61001%32003)%10<6 THEN 'd'||(1000+i)||'@'||json_extract('["post.example","mail.test","inbox.example"]','$['||((i*733%1009)%3)||']') END,
 CASE WHEN (i*44017%32003)%10<7 THEN '01'||(535000000+(i*7331%9973)*37) END,
 CASE WHEN i%12<>5 THEN 'I' WHEN (i/12)%20 IN (1,4,8,13,18) THEN 'T' ELSE 'O' END,
 STRFTIME('%d/%m/%Y',DATE('2012-01-09','+'||((i*19+(i*61403%50021)%300))||' days')),
 CASE WHEN i%12<>5 AND (i*39119%36007)%10<5 THEN STRFTIME('%d/%m/%Y',DATE('1931-04-02','+'||((i*71993%60013)%24000)||' days')) END,
 CASE WHEN i%12=5 THEN NULL ELSE json_extract('["Y","Y","N","Y",null,"N","Y"]','$['||((i*53381%45007)%7)||']') END,
 (i*30011%28657)%9=0, (i*57193%32003)%7=0, i%12<>5 AND (i*41011%36007)%19=0, (i*66041%45007)%17=0 FROM n;
INSERT INTO Donors VALUES (1241,'Hazel','Lomax','Otley','BD9 4XY',NULL,NULL,'I','14/02/2024','03/09/1951','Y',0,0,0,0),(1242,'Hazel','Lomax','Skipton','BD3 2XY','h.lomax@mail.test',NULL,'I','02/05/2024',NULL,NULL,0,1,0,0),
(1243,'Gerald','Ingham','Settle','BD17 5XY','gi@inbox.example','01535771204','I','11/11/2024','22/01/1948','Y',0,0,0,1);
CREATE TABLE "Copy of Donors" AS SELECT * FROM Donors WHERE "Donor ID" <= 1150;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1150),
g AS (SELECT i, 1001+(i*63029%65521)%(CASE WHEN i%3=0 THEN 60 ELSE 205 END) d, (i*47507%50021)%100 h, DATE('2021-11-03','+'||((i*58099%60013)%1205)||' days') dt FROM n)
INSERT INTO Gifts SELECT 50000+i, d,
 CASE WHEN h<30 THEN NULL WHEN h<34 THEN 'LEG' WHEN dt BETWEEN '2022-06-15' AND '2023-06-14' AND h<60 THEN 'ROOF' WHEN dt>='2025-01-10' AND h<65 THEN 'YTH25' WHEN dt>='2024-02-01' AND h<70 THEN 'MINI'
  WHEN SUBSTR(dt,6,2) IN ('11','12') THEN 'WIN'||SUBSTR(dt,3,2) WHEN SUBSTR(dt,6,2)='01' THEN 'WIN'||(SUBSTR(dt,3,2)-1) WHEN SUBSTR(dt,6,2) IN ('03','04','05') THEN 'SPR'||SUBSTR(dt,3,2) END,
 dt, CASE WHEN i%97=0 THEN 1500+(i*17)%900 WHEN (i*40343%32003)%5<2 THEN 5*(1+(i*7127%5003)%8) ELSE 10+(i*29531%28657)%180+0.01*((i*37%101)%100)*(i%4=0) END,
 json_extract('["CASH","CHQ","DD","CARD","DD","BACS","CARD","CARD"]','$['||((i*35089%36007)%8)||']'),
 0, (i*60101%40009)%14=0, CASE WHEN (i*45503%50021)%10<7 THEN DATE(dt,'+'||(1+(i*31%37))||' days') END,
 json_extract('["in memory of a friend","from collection box","TEST - ignore","raffle",null,null,null,null,null,null,null,null,null,null,null,null,null]','$['||((i*52183%45007)%17)||']') FROM g;
UPDATE Gifts SET "Gift Aid Claimed" = 1 WHERE "Donor" IN (SELECT "Donor ID" FROM Donors WHERE "Gift Aid"='Y') AND ("Gift No"*7919)%10<6 AND "Gift Date" < '2024-10-01';
UPDATE Gifts SET "Campaign" = NULL WHERE "Campaign" NOT IN (SELECT "Campaign Code" FROM Campaigns);
CREATE TABLE old_gifts AS SELECT "Gift No" - 30000 AS gift_id, "Donor" AS donor_id, "Amount" AS amt, STRFTIME('%d.%m.%Y', DATE("Gift Date",'-1100 days')) AS gift_dt FROM Gifts WHERE "Gift No" % 4 = 1;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<160),
p AS (SELECT i, 1001+(i*51001%65521)%190 d, json_extract('["ROOF","MINI","MINI","ROOF","YTH25","WIN23"]','$['||((i*42193%40009)%6)||']') c, json_extract('["P","P","O","L","P","O","W"]','$['||((i*37409%32003)%7)||']') s, 60+20*((i*43969%36007)%47)+i%3*5 a FROM n)
INSERT INTO Pledges SELECT 700+i, d, c, DATE(CASE c WHEN 'ROOF' THEN '2022-06-20' WHEN 'MINI' THEN '2024-02-03' WHEN 'YTH25' THEN '2025-01-11' ELSE '2023-11-02' END,'+'||((i*30259%28657)%(CASE c WHEN 'ROOF' THEN 350 WHEN 'MINI' THEN 330 WHEN 'YTH25' THEN 40 ELSE 85 END))||' days'), a,
 CASE s WHEN 'P' THEN a WHEN 'O' THEN ROUND(a*((i*7)%4)/5.0,2) WHEN 'L' THEN ROUND(a*(i%2)/4.0,2) ELSE 0 END,
 CASE WHEN i%9=0 THEN NULL ELSE DATE(CASE c WHEN 'ROOF' THEN '2023-06-30' WHEN 'MINI' THEN '2025-01-31' WHEN 'YTH25' THEN '2025-12-31' ELSE '2024-03-31' END,'+'||(i%5*15)||' days') END, s FROM p;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<330)
INSERT INTO "Event Guests" SELECT 1+(i-1)/42, 1001+((i-1)%42*35+(i-1)/42*53)%222, 1+(i*30011%28657)%4, CASE WHEN (i*45007%32003)%10<6 THEN 'Y' WHEN (i*45007%32003)%10<9 THEN 'N' END, json_extract('["vegetarian","no nuts","halal",null,null,null,null,null,null]','$['||((i*33409%32003)%9)||']') FROM n;
UPDATE Donors SET "Deceased" = 1 WHERE "Donor ID" = 1060;
