CREATE TABLE mitglieder (mitglied_nr INTEGER PRIMARY KEY, vorname TEXT, nachname TEXT, geschlecht TEXT, geburtsdatum TEXT, ort TEXT, plz TEXT, eintrittsdatum TEXT, austrittsdatum TEXT, email TEXT, geworben_von INTEGER);
CREATE TABLE beitragsarten (beitragsart TEXT, bezeichnung TEXT, jahresbeitrag REAL);
CREATE TABLE mitgliedschaften (id INTEGER PRIMARY KEY, mitglied_nr INTEGER, abteilung TEXT, beitragsart TEXT, beginn TEXT, ende TEXT, passiv INTEGER);
CREATE TABLE abteilungen (kuerzel TEXT, name TEXT, leiter_nr INTEGER, gruendungsjahr INTEGER);
CREATE TABLE mannschaften (mannschaft_id INTEGER PRIMARY KEY, abteilung TEXT, name TEXT, altersklasse TEXT, liga TEXT, trainer_nr INTEGER);
CREATE TABLE mannschaft_mitglied (mannschaft_id INTEGER, mitglied_nr INTEGER, rueckennummer INTEGER, kapitaen INTEGER);
CREATE TABLE spiele (spiel_id INTEGER PRIMARY KEY, mannschaft_id INTEGER, gegner TEXT, spieldatum TEXT, heimspiel TEXT, tore_eigene INTEGER, tore_gegner INTEGER, zuschauer INTEGER, status TEXT, spielort TEXT);
CREATE TABLE zahlungen (zahlung_id INTEGER PRIMARY KEY, mitglied_nr INTEGER, betrag REAL, faellig_am TEXT, bezahlt_am TEXT, zahlungsart TEXT, verwendungszweck TEXT, mahnstufe INTEGER);
INSERT INTO beitragsarten VALUES ('E','Erwachsene',180),('J','Jugendliche',96),('F','Familie',290),('S','Senioren',120),('P','Fördermitglied',60),('X','Ehrenmitglied',0);
INSERT INTO abteilungen VALUES ('FB','Fußball',14,1921),('HB','Handball',27,1954),('TT','Tischtennis',41,1963),('LA','Leichtathletik',8,1930),('SW','Schwimmen',66,1971),('TU','Turnen',NULL,1909),('SC','Schach',NULL,2019);
CREATE TEMP TABLE h AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1500) SELECT i, (i*i*31+i*7919+17)%10007 AS a, (i*i*53+i*4231+5)%9973 AS b, (i*i*17+i*3571+71)%9949 AS c FROM n;
INSERT INTO mitglieder SELECT i,
 CASE WHEN a%9<4 THEN '["Käthe","Jürgen","Anneliese","Zoë","Märta","Birgit","Lena","Heike","Gül","Franziska","Nele","Renate","Ida","Mia"]'->>(CASE WHEN b%14=1 THEN 6 ELSE b%14 END) ELSE '["Jörg","Günther","Björn","Malte","Thomas","Emre","Rüdiger","Lukas","Karl-Heinz","Tobias","Finn","Götz","Paul","Sören","Uwe"]'->>(b%15) END,
 '["Müller","Schäfer","Köhler","Weiß","Groß","Brandt","Yıldız","Jäger","Krüger","Voß","Lindner","Böhm","Strauß","Hofmann","Pätzold","Reuter","Schröder","Dörfler","Kuhn","Ühlein","Nowak","Ostermann"]'->>((c+i/22)%22),
 CASE WHEN a%9<4 THEN 'w' ELSE 'm' END, strftime('%d.%m.%Y', date('1944-03-09','+'||((a*3+b)%26500)||' days')),
 '["Gießen","Wetzlar","Lollar","Grünberg","Hüttenberg","Gießen","Linden","Gießen","Wettenberg","Lich"]'->>((b/15)%10), '["35390","35576","35457","35305","35625","35392","35440","35394","35435","35423"]'->>((b/15)%10),
 strftime('%d.%m.%Y', date('2008-01-01','+'||((c*2+a%7)%6150)||' days')), NULL, CASE WHEN a%4=1 THEN NULL ELSE 'mitglied'||i||'@post.example' END, CASE WHEN c%6=2 AND i>20 THEN 1+b%(i-1) END FROM h WHERE i<=420;
UPDATE mitglieder SET austrittsdatum = (SELECT strftime('%d.%m.%Y', date(substr(eintrittsdatum,7)||'-12-31','+'||(1+a%7)||' years')) FROM h WHERE h.i=mitglied_nr) WHERE mitglied_nr%6=1 OR mitglied_nr%31=4;
UPDATE mitglieder SET austrittsdatum=NULL WHERE substr(austrittsdatum,7)>'2024' OR mitglied_nr IN (8,14,27,41,66);
UPDATE mitglieder SET geburtsdatum=substr(geburtsdatum,1,6)||(CAST(substr(geburtsdatum,7) AS INTEGER)-27) WHERE substr(geburtsdatum,7)+5>substr(eintrittsdatum,7)+0 OR mitglied_nr IN (8,27,41,66);
UPDATE mitglieder SET geburtsdatum=substr(geburtsdatum,1,6)||(2010+mitglied_nr%6), eintrittsdatum=substr(eintrittsdatum,1,6)||(2020+mitglied_nr%5) WHERE mitglied_nr%9=4 AND austrittsdatum IS NULL AND mitglied_nr NOT IN (8,14,27,41,66,103,55,212);
INSERT INTO mitgliedschaften SELECT i, mitglied_nr, '["FB","FB","HB","TT","LA","SW","TU","FB","HB","TU"]'->>(a%10), CASE WHEN c%37=9 THEN 'X' WHEN c%11=3 THEN 'P' WHEN c%9=2 THEN 'F' WHEN CAST(substr(geburtsdatum,7) AS INTEGER)>=2006 THEN 'J' WHEN CAST(substr(geburtsdatum,7) AS INTEGER)<1959 THEN 'S' ELSE 'E' END, eintrittsdatum, austrittsdatum, CASE WHEN c%11=3 OR b%13=4 THEN 1 ELSE 0 END FROM h JOIN mitglieder ON mitglied_nr=i;
INSERT INTO mitgliedschaften SELECT 500+i, mitglied_nr, '["TT","SW","LA","TU","HB"]'->>(b%5), 'E', strftime('%d.%m.%Y', date(substr(eintrittsdatum,7)||'-01-01','+'||(8+b%20)||' months')), CASE WHEN b%3=0 THEN strftime('%d.%m.%Y', date(substr(eintrittsdatum,7)||'-12-31','+2 years')) ELSE austrittsdatum END, 0 FROM h JOIN mitglieder ON mitglied_nr=i WHERE c%5=1;
DELETE FROM mitgliedschaften WHERE mitglied_nr IN (33,118,207,301,388);
INSERT INTO mannschaften VALUES (1,'FB','1. Herren','Herren','Verbandsliga',14),(2,'FB','2. Herren','Herren','Kreisliga A',103),(3,'FB','Frauen','Damen','Hessenliga',27),(4,'FB','A-Jugend','U19','Gruppenliga',14),(5,'FB','C-Jugend','U15','Kreisliga',NULL),
(6,'HB','Herren I','Herren','Bezirksoberliga',55),(7,'HB','Damen I','Damen','Landesliga',27),(8,'HB','Jugend weiblich','U17','Bezirksliga',NULL),(9,'TT','Tischtennis I','Herren','Bezirksklasse',41),(10,'TT','Tischtennis II','Senioren','Kreisklasse',41),(11,'FB','Alte Herren','Ü40','Freundschaftsrunde',212),(12,'HB','Minis','U9',NULL,NULL);
INSERT INTO mannschaft_mitglied SELECT 1+(a+c)%11, i, CASE WHEN b%7=3 THEN NULL ELSE 1+b%38 END, 0 FROM h JOIN mitglieder ON mitglied_nr=i WHERE c%100<46 AND austrittsdatum IS NULL;
UPDATE mannschaft_mitglied SET kapitaen=1 WHERE mitglied_nr IN (SELECT max(mitglied_nr) FROM mannschaft_mitglied WHERE mannschaft_id NOT IN (5,10) GROUP BY mannschaft_id);
INSERT INTO spiele SELECT i, 1+(a/3)%11, '["TSV Grünberg","SG Lollar","FC Gießen II","TV Hüttenberg","SV Röddenau","SpVgg Wetzlar","TuS Großen-Linden","VfB Höchst","TSG Wieseck","SC Waldgirmes","FV Bad Vilbel","SV Münster"]'->>(b%12), strftime('%d.%m.%Y', date('2021-08-07','+'||((c*7+(a%3))%1330)||' days')),
 CASE WHEN (b/12)%2=0 THEN 'ja' ELSE 'nein' END, (a/33)%6, (b/24)%5, CASE WHEN c%8=5 THEN NULL ELSE 25+(a*3+c)%460 END, 'gespielt', NULL FROM h WHERE i<=520;
UPDATE spiele SET tore_eigene=tore_eigene+19, tore_gegner=tore_gegner*2+16 WHERE mannschaft_id IN (6,7,8);
UPDATE spiele SET tore_eigene=min(9,tore_eigene+3), tore_gegner=9-min(9,tore_eigene+3)+(spiel_id%2) WHERE mannschaft_id IN (9,10);
UPDATE spiele SET status='abgesagt', tore_eigene=NULL, tore_gegner=NULL, zuschauer=NULL WHERE (spiel_id*spiel_id*3+spiel_id)%19=4;
UPDATE spiele SET status='geplant', tore_eigene=NULL, tore_gegner=NULL, zuschauer=NULL WHERE substr(spieldatum,7)||substr(spieldatum,4,2)||substr(spieldatum,1,2)>'20250315';
UPDATE spiele SET spielort=CASE heimspiel WHEN 'ja' THEN (CASE WHEN mannschaft_id<=5 OR mannschaft_id=11 THEN 'Waldstadion Süd' WHEN mannschaft_id<=8 THEN 'Sporthalle Ost' ELSE 'Turnhalle Brüder-Grimm-Schule' END) END;
INSERT INTO zahlungen SELECT row_number() OVER (ORDER BY y, mitglied_nr), mitglied_nr, jahresbeitrag, CASE WHEN y=2023 THEN '15.02.' ELSE '31.01.' END||y, CASE WHEN k%17=5 THEN NULL ELSE strftime('%d.%m.%Y', date(y||'-01-20','+'||(k*k%83)||' days')) END, '["SEPA","SEPA","Überweisung","SEPA","Bar","SEPA","Überweisung"]'->>(k%7), 'Beitrag '||y, CASE WHEN k%17=5 THEN 1+k%3 ELSE 0 END
 FROM (SELECT m.mitglied_nr, m.beitragsart, y, (m.mitglied_nr*m.mitglied_nr*7+m.mitglied_nr*y*13+y*31)%9871 AS k, eintrittsdatum e, austrittsdatum t FROM mitgliedschaften m JOIN mitglieder g ON g.mitglied_nr=m.mitglied_nr, (SELECT 2021 y UNION SELECT 2022 UNION SELECT 2023 UNION SELECT 2024) WHERE m.id<=500) JOIN beitragsarten USING (beitragsart) WHERE jahresbeitrag>0 AND substr(e,7)<=''||y AND coalesce(substr(t,7),'9999')>=''||y;
UPDATE zahlungen SET zahlungsart=NULL WHERE bezahlt_am IS NULL;
INSERT INTO zahlungen SELECT 5000+i, 1+a%420, 5+5*(b%30), strftime('%d.%m.%Y', date('2021-02-01','+'||(c%1400)||' days')), strftime('%d.%m.%Y', date('2021-02-01','+'||(c%1400)||' days')), CASE WHEN a%3=0 THEN 'Bar' ELSE 'Überweisung' END, '["Spende Jugendförderung","Trikotgeld","Spende","Kursgebühr Rückenschule"]'->>((a/7)%4), 0 FROM h WHERE i<=140;
DROP TABLE temp.h;
