CREATE TABLE events (
  event_id INTEGER,
  ts TEXT,                 -- UTC, 2024-03-05T14:22:07Z
  event_name TEXT,         -- session_start, level_start, level_complete, level_fail, purchase, refund, ad_view, tutorial_complete, crash
  uid TEXT,
  session_id TEXT,
  platform TEXT,           -- ios, android, steam, web
  app_version TEXT,
  os_version TEXT,
  country TEXT,
  ab_group TEXT,           -- A control, B new shop, NULL not in the test
  level INTEGER,
  duration_ms INTEGER,
  coins_delta INTEGER,
  item_sku TEXT,
  qty INTEGER,
  revenue_cents INTEGER,   -- whole line; negative for refunds
  ad_network TEXT,
  error_code TEXT
);
CREATE TABLE players (
  player_id TEXT,
  nickname TEXT,
  email TEXT,
  created_at TEXT,
  home_country TEXT,
  birth_year INTEGER,
  referred_by TEXT,        -- player_id of who invited them
  is_staff INTEGER,
  banned_at TEXT
);
CREATE TABLE items (
  sku TEXT,
  item_name TEXT,
  category TEXT,
  rarity TEXT,             -- C common, R rare, E epic, L legendary
  price_cents INTEGER,
  released_on TEXT,
  retired_on TEXT
);
INSERT INTO items VALUES
('GEM_S','Pouch of Gems','currency','C',199,'2023-01-15',NULL),('GEM_M','Chest of Gems','currency','C',499,'2023-01-15',NULL),
('GEM_L','Vault of Gems','currency','R',1999,'2023-01-15',NULL),('SKN_FOX','Fox Cloak','skin','R',699,'2023-02-20',NULL),
('SKN_ICE','Frost Armour','skin','E',1299,'2023-11-24',NULL),('SKN_SUN','Sunforged Mail','skin','L',2499,'2024-06-01',NULL),
('BST_XP2','Double XP','booster','C',149,'2023-01-15',NULL),('BST_SHD','Shield Charm','booster','C',99,'2023-01-15',NULL),
('BST_LCK','Lucky Coin','booster','R',299,'2023-05-10','2024-05-31'),('PET_OWL','Ember Owl','pet','E',899,'2023-04-01',NULL),
('PET_DRK','Tiny Drake','pet','L',1799,'2023-12-12',NULL),('PAS_S1','Season Pass 1','pass','R',999,'2023-03-01','2023-08-31'),
('PAS_S2','Season Pass 2','pass','R',999,'2023-09-01','2024-02-29'),('PAS_S3','Season Pass 3','pass','R',1099,'2024-03-01',NULL),
('PET_CAT','Moon Cat','pet','R',599,'2024-12-01',NULL),('SKN_OLD','Founder Cape','skin','L',0,'2023-01-15','2023-02-28');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<180)
INSERT INTO players SELECT 'p'||(7000+i),
 json_extract('["Moss","Pixel","Turbo","Lady","Captain","Silent","Rusty","Neon","Grumpy","Velvet","Mango","Astro","Salty"]','$['||(i*5%13)||']')||json_extract('["Badger","Comet","Noodle","Raven","Wizard","Pickle","Otter","Blade","Sparrow","Goblin","Waffle","Lynx","Turnip","Viking"]','$['||(i*3%14)||']')||CASE WHEN i%4=1 THEN (i*37%90+10) ELSE '' END,
 CASE WHEN (i*30011%28657)%10<6 THEN 'u'||(i*173%9973)||'@'||json_extract('["mail.test","post.example","inbox.example"]','$['||((i*733%1009)%3)||']') END,
 STRFTIME('%Y-%m-%dT%H:%M:%SZ',DATETIME('2023-01-16','+'||((i*44017%32003)%(CASE WHEN i>165 THEN 680 ELSE 430 END))||' days','+'||((i*71993%60013)+20000)||' seconds')),
 json_extract('["BR","DE","PL","US","JP","FR","US",null,"BR","KR","SE","US","DE"]','$['||((i*48271%65521)%13)||']'),
 CASE WHEN (i*38873%52009)%8<5 THEN 1968+(i*7331%1009)%42 END,
 CASE WHEN (i*27409%40009)%5=0 AND i>20 THEN 'p'||(7000+1+(i*61403%50021)%40) END, i%45=7, CASE WHEN (i*52183%45007)%16=3 THEN STRFTIME('%Y-%m-%dT%H:%M:%SZ',DATETIME('2024-04-20','+'||((i*40343%32003)%220)||' days','+'||(i*311)||' seconds')) END FROM n;
CREATE TABLE players_import_tmp AS SELECT player_id AS id, nickname AS nick, home_country AS ctry FROM players WHERE created_at < '2023-06-01';
WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i<640), k(j) AS (SELECT 0 UNION ALL SELECT j+1 FROM k WHERE j<9),
x AS (SELECT i, 1+(i*58099%60013)%(CASE WHEN i%4=0 THEN 37 ELSE 165 END) p, DATETIME('2023-02-01','+'||((i*39119%36007)%668)||' days','+'||((i*63029%65521)+9000+(i%3)*7000)||' seconds') t0, 2+(i*47507%50021)%7 len FROM s),
y AS (SELECT i, j, p, i*9+j e, player_id, home_country, created_at, DATETIME(t0,'+'||(j*131+((i*9+j)*31337%28657)%110)||' seconds') t, STRFTIME('%Y-%m-%dT%H:%M:%SZ',t0) ts0, ((i*9+j)*60101%40009)%100 h, ((i*9+j)*27409%40009)%100 g FROM x, k JOIN players ON player_id='p'||(7000+p) WHERE j<len),
z AS (SELECT y.*, CASE WHEN j=0 THEN 'session_start' WHEN j=1 AND i%9=0 THEN 'tutorial_complete' WHEN h<30 THEN 'level_start' WHEN h<53 THEN 'level_complete' WHEN h<67 THEN 'level_fail' WHEN h<78 THEN 'ad_view' WHEN h<95 THEN 'purchase' WHEN h<96 THEN 'refund' ELSE 'crash' END ev, 1+(e*733%1009)%3 q0 FROM y WHERE ts0>=created_at)
INSERT INTO events SELECT 500000+e, STRFTIME('%Y-%m-%dT%H:%M:%SZ',t), ev, player_id, 's'||(81000+i),
 CASE WHEN i%23=0 THEN 'web' ELSE json_extract('["android","ios","android","steam","ios","android","steam","android"]','$['||((p*7331%101)%8)||']') END,
 CASE WHEN t<'2023-07-01' THEN '1.'||(e%2) WHEN t<'2023-12-01' THEN '1.'||(2+i%2) WHEN t<'2024-05-01' THEN '2.0' WHEN t<'2024-09-01' THEN '2.'||(i%2) ELSE '2.'||(1+i%3) END, CASE WHEN i%17=0 THEN NULL ELSE (11+p%5)||'.'||(p%3) END,
 CASE WHEN i%19=0 THEN 'FR' ELSE home_country END, CASE WHEN t>='2023-09-01' AND p%5<>0 THEN CASE WHEN (p*9901%7919)%2=0 THEN 'A' ELSE 'B' END END,
 CASE WHEN ev LIKE 'level%' OR ev='crash' THEN 1+(e*52183%45007)%(CASE WHEN p%3=0 THEN 40 ELSE 22 END) END,
 CASE WHEN ev IN ('level_complete','level_fail') THEN 9000+((e*71993%60013)%170)*1000+(e*37%997) WHEN ev='ad_view' THEN 5000+(e%4)*5000 END,
 CASE ev WHEN 'level_complete' THEN 20+((e*9901%7919)%18)*10 WHEN 'ad_view' THEN 15 WHEN 'level_fail' THEN -5 END, sku,
 CASE WHEN ev='purchase' THEN CASE WHEN category IN ('currency','booster') THEN q0 ELSE 1 END WHEN ev='refund' THEN 1 END, CASE ev WHEN 'purchase' THEN price_cents*CASE WHEN category IN ('currency','booster') THEN q0 ELSE 1 END WHEN 'refund' THEN -price_cents END,
 CASE WHEN ev='ad_view' THEN json_extract('["Adnova","Bidly","Adnova","Clickr"]','$['||(e*31%101%4)||']') END, CASE WHEN ev='crash' AND g<80 THEN json_extract('["E_OOM","E_NET","E_GPU","E_NET"]','$['||(g%4)||']') END
 FROM z LEFT JOIN items ON ev IN ('purchase','refund') AND sku=json_extract('["GEM_S","BST_XP2","GEM_M","SKN_FOX","BST_SHD","PET_OWL","GEM_L","PAS_S1","SKN_ICE","GEM_S","BST_LCK","PAS_S2","PET_DRK","BST_XP2","GEM_M","PAS_S3","SKN_SUN"]','$['||(g%17)||']');
UPDATE players SET is_staff = 1 WHERE nickname = 'NeonOtter';
