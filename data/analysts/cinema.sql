CREATE TABLE distributors (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT);
INSERT INTO distributors VALUES (1,'Halcyon Pictures','UK'),(2,'Bluebarn Releasing','USA'),(3,'Cinéma du Quai','France'),(4,'Nordlys Film','Norway'),(5,'Tall Poppy','Australia'),(6,'Gibbous Moon','Japan');

CREATE TABLE films (id INTEGER PRIMARY KEY, title TEXT NOT NULL, distributor_id INTEGER REFERENCES distributors(id), genre TEXT, language TEXT, runtime_min INTEGER, certificate TEXT, release_date TEXT, director TEXT, rental_pct REAL);
INSERT INTO films VALUES
(1,'The Lighthouse Keeper''s Debt',1,'Drama','English',128,'12A','2022-01-14','Oona Whitlock',52),
(2,'Copper Sky',2,'Western','English',141,'15','2022-02-25','Dale Arriaga',58),
(3,'Minuit à Lyon',3,'Thriller','French',104,'15','2022-03-18','Claire Vasseur',45),
(4,'Robot Picnic',2,'Animation','English',93,'U','2022-04-08','Sam Ndlovu',60),
(5,'Fjordland',4,'Documentary','Norwegian',88,'PG','2022-05-13','Eirik Solheim',38),
(6,'Second Cousin, Once Removed',1,'Comedy','English',101,'12A','2022-06-17','Priti Anand',50),
(7,'Deadfall Nine',2,'Action','English',134,'15','2022-07-22','Marcus Roe',62),
(8,'Paper Foxes',6,'Animation','Japanese',97,'PG','2022-09-02','Haruka Miyano',48),
(9,'The Quiet Orchard',5,'Drama','English',116,'12A','2022-10-07','Bronwyn Tait',47),
(10,'Harrowgate',1,'Horror','English',95,'18','2022-10-28','Luke Pemberton',54),
(11,'Robot Picnic 2: Leftovers',2,'Animation','English',96,'U','2023-03-31','Sam Ndlovu',61),
(12,'Le Dernier Boulanger',3,'Comedy','French',109,'PG','2023-02-10','Claire Vasseur',44),
(13,'Kestrel Down',1,'Thriller','English',122,'15','2023-04-21','Oona Whitlock',53),
(14,'Snowblind Summer',4,'Drama','Norwegian',111,'15','2023-05-19','Ingrid Aas',40),
(15,'Deadfall Ten',2,'Action','English',139,'15','2023-07-14','Marcus Roe',63),
(16,'Tin Drummer Girl',5,'Comedy','English',99,'PG','2023-08-25','Priti Anand',49),
(17,'The Cartographer',1,'Drama','English',147,'12A','2023-11-03','Luke Pemberton',55),
(18,'Moon Rabbit Express',6,'Animation','Japanese',102,'U','2023-12-08','Haruka Miyano',50),
(19,'Old Salt',NULL,'Documentary','English',82,NULL,'2023-06-02','Wes Carrow',30),
(20,'Cold Harbour Lane',1,'Thriller','English',118,'15','2024-02-09','Dale Arriaga',52),
(21,'Robot Picnic 3D',2,'Animation','English',98,'U','2024-03-29','Sam Ndlovu',62),
(22,'Ashes for Breakfast',5,'Horror','English',91,'18','2024-05-17','Bronwyn Tait',51),
(23,'Hôtel Belvédère',3,'Drama','French',125,'12A','2024-09-27','Claire Vasseur',46),
(24,'The Last Ferry Home',4,'Drama','English',107,'PG','2025-02-14','Eirik Solheim',45);

CREATE TABLE screens (id INTEGER PRIMARY KEY, site TEXT, screen_no INTEGER, seats INTEGER, format TEXT, has_recliners INTEGER);
INSERT INTO screens VALUES (1,'Harbourside',1,240,'IMAX',0),(2,'Harbourside',2,156,'2D',0),(3,'Harbourside',3,88,'2D',1),(4,'Harbourside',4,60,'2D',1),(5,'Market Street',1,180,'3D',0),(6,'Market Street',2,112,'2D',0),(7,'Market Street',3,54,'2D',1),(8,'Old Regal',1,210,'2D',0),(9,'Old Regal',2,72,'2D',0),(10,'Old Regal',3,40,'2D',NULL);

CREATE TABLE loyalty_members (id INTEGER PRIMARY KEY, full_name TEXT, email TEXT, joined_on TEXT, tier TEXT, points INTEGER, birth_year INTEGER, home_site TEXT, opted_out INTEGER DEFAULT 0);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<260)
INSERT INTO loyalty_members SELECT i,
 ('["Amy","Dev","Chloe","Tunde","Rosa","Ben","Kirsty","Faisal","Holly","Idris","Mei","Nathan","Orla","Petra","Callum","Sian","Viktor"]' ->> (i%17)) || ' ' || ('["Ashdown","Birch","Carmichael","Doyle","Eze","Farrant","Gill","Hobday","Iqbal","Jessop","Kaur","Lister","Moss","Norbury","Okafor","Pike","Quayle","Rudd","Sethi"]' ->> ((i*7+3)%19)),
 CASE WHEN (i*i+i*5)%61%7=0 THEN NULL ELSE 'member'||i||'@inbox.example' END,
 date('2021-06-01','+'||((i*i*11+i*457+9)%1250)||' days'),
 '["Blue","Blue","Silver","Blue","Gold","Silver","Blue","Platinum"]' ->> (((i*i*3+i*31+7)%71)%8),
 (i*i*17+i*389+5)%4021, CASE WHEN (i*29+4)%53%6=0 THEN NULL ELSE 1947+(i*i*5+i*13)%61 END,
 '["Harbourside","Market Street","Old Regal","Harbourside"]' ->> (((i*i+i*47)%59)%4), CASE WHEN (i*i*7+3)%67<6 THEN 1 ELSE 0 END FROM n;

CREATE TABLE screenings (id INTEGER PRIMARY KEY, film_id INTEGER NOT NULL REFERENCES films(id), screen_id INTEGER NOT NULL REFERENCES screens(id), starts_at TEXT NOT NULL, base_price REAL, subtitled INTEGER, status TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<720),
s AS (SELECT i, 1+((i*i*7+i*53+11)%137)%23 f FROM n)
INSERT INTO screenings SELECT i, f, 1+((i*i*3+i*29+2)%109)%9,
 datetime(release_date,'+'||((i*i*13+i*37)%53)||' days','+'||('["11:00","13:30","15:45","17:15","18:30","19:45","20:30","21:10"]' ->> (((i*41+3)%101)%8))), 
 '[6.5,7.5,8.5,9.5,11.0]' ->> (((i*i+i*61)%79)%5), CASE WHEN language<>'English' OR (i*17)%43<3 THEN 1 ELSE 0 END,
 CASE WHEN (i*i*5+i*7)%83<4 THEN 'cancelled' ELSE 'played' END FROM s JOIN films ON films.id=f;

CREATE TABLE tickets (id INTEGER PRIMARY KEY, screening_id INTEGER NOT NULL REFERENCES screenings(id), member_id INTEGER REFERENCES loyalty_members(id), booking_ref TEXT, ticket_type TEXT, qty INTEGER, amount REAL, channel TEXT, sold_at TEXT, refunded_at TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000),
t AS (SELECT i, i-((i*37)%59%3=0) rc, ((i*i*3+i*19+1)%127)%5 ty, 1+((i*i+i*43+2)%97)%4+((i*61)%89=5)*9 q FROM n)
INSERT INTO tickets SELECT i, screenings.id, CASE WHEN (rc*rc*7+rc*3)%113%5<2 THEN 1+((rc*rc*5+rc*101+7)%263)%231 END, 'BK'||(40000+rc),
 '["Adult","Adult","Child","Senior","Student"]' ->> ty, q, round(q*base_price*('[1,1,0.65,0.7,0.8]' ->> ty),2),
 '["web","app","box office","web","kiosk"]' ->> (((rc*rc*11+rc*23+4)%131)%5), datetime(starts_at,'-'||((rc*rc*29+rc*71)%9000)||' minutes'),
 CASE WHEN status='cancelled' OR (rc*rc+rc*7)%149<5 THEN datetime(starts_at,'-'||((rc*13)%300)||' minutes') END FROM t JOIN screenings ON screenings.id=1+((rc*rc*17+rc*337+5)%739)%709;

CREATE TABLE concession_items (id INTEGER PRIMARY KEY, name TEXT, category TEXT, price REAL, cost REAL, discontinued INTEGER);
INSERT INTO concession_items VALUES (1,'Popcorn large','Popcorn',6.4,0.9,0),(2,'Popcorn medium','Popcorn',5.2,0.7,0),(3,'Popcorn small','Popcorn',4.1,0.5,0),(4,'Nachos & salsa','Hot food',6.9,1.8,0),(5,'Hot dog','Hot food',5.6,1.6,0),(6,'Cola 500ml','Drinks',3.9,0.4,0),(7,'Still water','Drinks',2.2,0.3,0),(8,'Craft lager','Drinks',5.8,1.9,0),(9,'House red 175ml','Drinks',6.6,2.1,0),(10,'Pick & mix 100g','Sweets',2.4,0.8,0),(11,'Chocolate buttons','Sweets',3.3,1.1,0),(12,'Slush ice','Drinks',3.6,0.5,1),(13,'Vegan brownie','Sweets',3.7,1.3,0),(14,'Pickle on a stick','Hot food',2.9,0.6,0);

CREATE TABLE concession_sales (id INTEGER PRIMARY KEY, receipt_no INTEGER, item_id INTEGER REFERENCES concession_items(id), site TEXT, member_id INTEGER REFERENCES loyalty_members(id), sold_at TEXT, qty INTEGER, amount REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2200),
c AS (SELECT i, max(1,i-(i*29)%31%3) rc, 1+((i*i*13+i*7+1)%151)%13 it, 1+((i*i*3+i*5)%73)%3 q FROM n)
INSERT INTO concession_sales SELECT i, 600000+rc, it, '["Harbourside","Old Regal","Market Street","Harbourside"]' ->> (((rc*rc*5+rc*3)%103)%4), CASE WHEN (rc*rc+rc*11)%139%4=0 THEN 1+((rc*rc*7+rc*59)%257)%251 END,
 datetime('2022-01-15','+'||((rc*rc*23+rc*577+8)%1140)||' days','+'||(660+(rc*97)%640)||' minutes'), q, round(q*price,2) FROM c JOIN concession_items ON concession_items.id=it;
